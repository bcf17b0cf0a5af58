"""Optional capabilities of a task in service: answer before the model runs, stream typed events, fill gaps.

Each is a protocol: a task has the capability if it has the methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from pydantic import BaseModel

from kit.task.types import Gap


@runtime_checkable
class Shortcut(Protocol):
    """A task that answers some requests itself, such as an emergency that must not wait for a model."""

    def shortcut(self, request: Any) -> Any | None:
        """Return the response, or None to ask the model. Evaluation counts it as the service's answer."""


class EventReader(Protocol):
    """Reads what the model writes for one request while it writes. It must be picklable: workers hand it on."""

    def read(self, prompt: int, text: str) -> Sequence[BaseModel]:
        """Take the next text for a prompt, counted from 0; return the events that are certain now."""


@runtime_checkable
class Stream(Protocol):
    """A task whose answer can arrive in parts, such as an action before the words.

    `event_types` names each type of event. A stream ends with the event `response`, which has the whole response.
    """

    event_types: ClassVar[Mapping[str, type[BaseModel]]]

    def follow(self, request: Any) -> EventReader:
        """Return a new reader for one request."""


@runtime_checkable
class Infill(Protocol):
    """A task that fills gaps: its prompts have a `gap`, which the base's own tokens for it mark."""

    def gap(self, request: Any) -> Gap:
        """Return the text before and after the gap of a request."""
