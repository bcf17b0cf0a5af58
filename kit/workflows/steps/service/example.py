"""An example request to a service that starts: what a user can paste into a terminal."""

from __future__ import annotations

import itertools
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.bundle.store import Bundle

_ROWS, _LONGEST = 50, 500  # rows that are looked at, and characters of the request
_CHAT = "/v1/chat/completions"


@dataclass(frozen=True)
class Example:
    """The routes of a service, and one request."""

    routes: tuple[str, ...]
    route: str
    body: dict[str, Any]

    def curl(self, url: str, with_key: bool = False) -> str:
        """Return the command that sends the request; with a key, it reads the key's token from the variable TOKEN."""
        body = shlex.quote(json.dumps(self.body, ensure_ascii=False))
        key = ' -H "authorization: Bearer $TOKEN"' if with_key else ""
        return f"curl {url}{self.route}{key} -H 'content-type: application/json' -d {body}"


def example_of(root: Path | None, bundle: Bundle) -> Example:
    """Return the shortest request among the first test rows of the project, or a chat if there is none."""
    routes = (*(task.route for task in bundle.seal.tasks), _CHAT, "/v1/completions", "/v1/responses", "/v1/messages")
    request = _shortest_request(root, bundle) if root is not None else None
    if request is None:
        return Example(routes, _CHAT, {"messages": [{"role": "user", "content": "Hello"}]})
    return Example(routes, routes[0], request)


def _shortest_request(root: Path, bundle: Bundle) -> dict[str, Any] | None:
    """Return a request of the bundle's first task, if the project has one that is short enough."""
    section = bundle.recipe.tasks[0].data or bundle.recipe.data
    try:
        with (root / section.test).open(encoding="utf-8") as lines:
            rows = [json.loads(line)["request"] for line in itertools.islice(lines, _ROWS)]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    requests = [row for row in rows if isinstance(row, dict) and len(json.dumps(row)) <= _LONGEST]
    return min(requests, key=lambda row: len(json.dumps(row)), default=None)
