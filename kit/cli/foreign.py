"""Words of libraries that are no result of ours are kept off the terminal; their errors are not."""

from __future__ import annotations

import logging

_TALKATIVE = ("vllm",)  # warns on import, before it has read its own level, of parts that are not for this machine


def quieten() -> None:
    """Let these libraries' loggers pass errors only, until they are configured by themselves.

    An engine's child processes import the command line again, so this holds there too.
    """
    for name in _TALKATIVE:
        logger = logging.getLogger(name)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setLevel(logging.ERROR)
            logger.addHandler(handler)
