"""The interface of an answer form. There are two forms: `quoting.py` and `numbering.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from pydantic import BaseModel

from kit.task import Completion
from kit.text.windows import Window

from .schema import Clause, Extraction

WindowT = TypeVar("WindowT", bound=Window)


class Form(Protocol[WindowT]):
    """How a window is shown to the model, how the model names its clauses, and how that answer is read."""

    instruction: str

    def windows(self, text: str) -> list[WindowT]:
        """Return the parts of a document, one per prompt. Together they cover the document."""

    def shown(self, text: str, window: WindowT) -> str:
        """Return the text of a window for the model."""

    def answer_type(self, window: WindowT) -> type[BaseModel]:
        """Return the type of an answer about a window."""

    def target(self, text: str, window: WindowT, clauses: Sequence[Clause]) -> BaseModel | None:
        """Return the expected answer for a window, given all clauses in order; None if the window has no clause."""

    def read(self, text: str, completions: Sequence[Completion], wanted: Sequence[str]) -> Extraction:
        """Combine the answers about the windows into one response about the document."""
