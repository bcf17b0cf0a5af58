"""Keeps warnings of other libraries off the terminal; their errors still show."""

from __future__ import annotations

import logging

_NOISY = ("vllm",)  # warns on import about parts that this machine cannot use, before it reads its own log level


def silence_libraries() -> None:
    """Show only errors of these libraries, until they configure their own loggers.

    This also works in an engine's child processes, because they import the command line again.
    """
    for name in _NOISY:
        logger = logging.getLogger(name)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setLevel(logging.ERROR)
            logger.addHandler(handler)
