"""The log of the service: plain sentences, or one JSON object for each line. It holds no text of a client."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from serving.observability.stack import safe_trace

Format = Literal["text", "json"]
REQUESTS = "serving.requests"
_OWN = ("serving", "kit")
_NAME = "kit-service"


def set_up(form: Format) -> None:
    """Send the process's log to stderr; with `json` also a line for each request."""
    root = logging.getLogger()
    for handler in [each for each in root.handlers if each.get_name() == _NAME]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(_NAME)
    handler.setFormatter(JsonLines() if form == "json" else Sentences())
    root.addHandler(handler)
    logging.getLogger(REQUESTS).setLevel(logging.INFO if form == "json" else logging.WARNING)
    if form == "json":
        logging.getLogger("serving").setLevel(logging.INFO)


def told(facts: dict[str, Any]) -> None:
    """Log one request at its end."""
    logging.getLogger(REQUESTS).info("request", extra={"facts": facts})


def _message(record: logging.LogRecord) -> str:
    """Return our own sentence; of a library's message the first line, because the rest may show values."""
    message = record.getMessage()
    own = record.name.split(".")[0] in _OWN
    return message if own else message.split("\n", 1)[0]


class JsonLines(logging.Formatter):
    """One JSON object for each record; an exception without its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["stack"] = safe_trace(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


class Sentences(logging.Formatter):
    """The message; below it an exception without its own message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines."""
        message = _message(record)
        if record.exc_info and record.exc_info[1] is not None:
            message += f"\n{safe_trace(record.exc_info[1])}"
        return message
