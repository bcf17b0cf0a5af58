"""Ctrl-C and SIGTERM during training: a step and its checkpoint are finished, anything else ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from kit.errors import Exit

_CODES = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}


class Signals:
    """A context in which both signals raise KeyboardInterrupt; inside `shielded`, they only set `code`.

    It is KeyboardInterrupt because event loops and broad exception handlers let it pass. Outside the main thread, where
    Python handles no signals, the context does nothing.
    """

    def __init__(self) -> None:
        self.code: Exit | None = None
        self._shielded = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _CODES}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.code = _CODES[signal.Signals(number)]
        if not self._shielded:
            raise KeyboardInterrupt

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Delay signals: the code inside checks `code` wherever it can stop."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False

    @contextmanager
    def exposed(self) -> Iterator[None]:
        """Inside `shielded`: let signals raise, a delayed one at once."""
        self._shielded = False
        try:
            if self.code:
                raise KeyboardInterrupt
            yield
        finally:
            self._shielded = True
