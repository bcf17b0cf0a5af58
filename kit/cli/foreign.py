"""Keeps warnings of other libraries off the terminal; their errors still show."""

from __future__ import annotations

import logging

_NOISY = ("vllm",)  # on import it warns of parts that are not for this machine, before it reads its own log level


def silence_libraries() -> None:
    """Let these libraries' loggers pass only errors, until the libraries configure them.

    An engine's child processes import the command line again, so this works there too.
    """
    for name in _NOISY:
        logger = logging.getLogger(name)
        if not logger.handlers:
            handler = logging.StreamHandler()
            handler.setLevel(logging.ERROR)
            logger.addHandler(handler)
