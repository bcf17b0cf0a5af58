"""Run all steps on a template: make a project, check, train, measure and serve it, and ask it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from kit.workflows.events import Report, ignore


@dataclass(frozen=True)
class DemoPlan:
    """The folder of the demo's project, and the commands of its steps, as words."""

    project: Path
    commands: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DemoStep:
    """An event: a step starts. `words` is the command for it."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo.

    `evaluation` is the attestation of the bundle. `request` is a test example whose text is in no training row;
    `response` is what the service answered, and `status` whether the bundle is "verified" or a "preview".
    """

    project: Path
    bundle: str
    engine: str
    evaluation: Mapping[str, Any]
    request: Mapping[str, Any]
    response: Mapping[str, Any]
    status: str | None
    seconds: float


def plan_demo(
    template: str = "legal", into: str | Path | None = None, *, engine: Literal["auto", "vllm", "local"] = "auto"
) -> DemoPlan:
    """Return what `demo` would run; nothing is written. Raises InputError for an unknown template or engine."""
    from kit.workflows.steps.demonstration import plan

    return plan(template, Path(into) if into else None, engine)


def demo(
    template: str = "legal",
    into: str | Path | None = None,
    *,
    engine: Literal["auto", "vllm", "local"] = "auto",
    output: IO[str] | None = None,
    report: Report = ignore,
) -> DemoResult:
    """Run all steps on a template's smoke profile, in a new folder (default: demo-TEMPLATE here), and keep the bundle.

    All steps before the service are commands in child processes, as a user would run them. `output` is an open
    file for what they print; without it, each line is reported as a Note. `engine` is the engine of the service.

    Raises KitError, with the command's exit code, where a step fails.
    """
    from kit.workflows.steps.demonstration import perform, plan

    return perform(plan(template, Path(into) if into else None, engine), engine, output, report)
