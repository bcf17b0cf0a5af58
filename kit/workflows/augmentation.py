"""More training examples: reworded copies of the project's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kit.workflows.events import Report, ignore

Method = Literal["rules", "paraphrase", "back-translation"]


@dataclass(frozen=True)
class AugmentPlan:
    """Which examples are reworded, and which file gets them."""

    source: Path
    target: Path
    examples: tuple[Any, ...] = field(repr=False)
    """The examples to reword (`kit.task.Example`)."""
    held_out: int
    """Examples of the source that are held out for validation. They are not reworded."""


@dataclass(frozen=True)
class Augmentation:
    """The new examples, and how many were left out."""

    plan: AugmentPlan
    kept: int
    """Number of examples of the source; the new file has all of them too."""
    new: tuple[Any, ...] = field(repr=False)
    """The new examples."""
    left_out: Mapping[str, int]
    """Number of examples that were left out, by reason."""


def augment(
    project: str | Path = ".",
    *,
    method: Method,
    source: str | Path | None = None,
    target: str | Path | None = None,
    task: str | None = None,
    copies: int = 1,
    limit: int | None = None,
    seed: int = 0,
    url: str | None = None,
    model: str | None = None,
    key: str | None = None,
    temperature: float = 0.7,
    language: str = "French",
    original: str = "English",
    concurrency: int = 8,
    replace: bool = False,
    report: Report = ignore,
) -> Augmentation:
    """Write a file with the examples of `source` and up to `copies` reworded ones of each; return what was made.

    "rules" uses a small table of English phrases. "paraphrase" and "back-translation" ask a model at `url`, an endpoint
    with OpenAI's chat completions. `source` is the task's training file and `target` is beside it, unless they are
    named. Raises InputError if the file exists (unless `replace`) or holds groups that are tested on, and KitError
    where the endpoint fails; then nothing is written.
    """
    from kit.workflows.steps.augmentation import Settings, perform

    settings = Settings(method, copies, limit, seed, url, model, key, temperature, language, original, concurrency)
    return perform(Path(project), source, target, task, settings, replace, report)


def plan_augment(
    project: str | Path = ".",
    *,
    method: Method,
    source: str | Path | None = None,
    target: str | Path | None = None,
    task: str | None = None,
    limit: int | None = None,
    url: str | None = None,
    replace: bool = False,
) -> AugmentPlan:
    """Return which examples `augment` would reword; no endpoint is asked, and nothing is written. Raises as it does."""
    from kit.workflows.steps.augmentation import Settings, prepare

    return prepare(Path(project), source, target, task, Settings(method, limit=limit, url=url), replace).plan
