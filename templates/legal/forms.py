"""What a way of answering has to offer: `quoting.py` and `numbering.py` are the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from pydantic import BaseModel

from kit.task import Completion
from kit.text.windows import Window

from .schema import Clause, Extraction

WindowT = TypeVar("WindowT", bound=Window)


class Form(Protocol[WindowT]):
    """How the model is shown a window, how it says which clauses are there, and how that is read."""

    instruction: str

    def windows(self, text: str) -> list[WindowT]:
        """Return the parts of a document that are asked for one by one; together they cover it."""

    def shown(self, text: str, window: WindowT) -> str:
        """Return a window as the model reads it."""

    def answer_type(self, window: WindowT) -> type[BaseModel]:
        """Return the type of an answer about a window."""

    def target(self, text: str, window: WindowT, clauses: Sequence[Clause]) -> BaseModel | None:
        """Return what the model is to write of a window, given all clauses in their order; None: nothing is there."""

    def read(self, text: str, completions: Sequence[Completion], wanted: Sequence[str]) -> Extraction:
        """Return one answer about the document from those about its windows."""
