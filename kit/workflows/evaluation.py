"""Measure a bundle against its base and a classical baseline, and save the result as an attestation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kit.errors import Problem
from kit.workflows.events import Report, ignore

if TYPE_CHECKING:
    from kit.evals.gates import Gate
    from kit.evals.report import TaskReport


@dataclass(frozen=True)
class EvaluationPlan:
    """What an evaluation would do: the bundle's digest, the engine, and the number of examples for each model.

    `base_examples` is 0 where the base is not measured. `few_shot` is the greatest number of training examples in the
    prompts of the base, which is then asked twice; 0: it is not.
    """

    bundle: str
    engine: str
    examples: int
    base_examples: int
    few_shot: int = 0


@dataclass(frozen=True)
class Score:
    """The values of one metric; None if it was not measured."""

    tuned: float | None
    base: float | None = None
    baseline: float | None = None
    few_shot: float | None = None


@dataclass(frozen=True)
class EvaluationResult:
    """The result of an evaluation of a bundle.

    `outcome` covers all gates: "held" if every gate held, "failed" if one failed, else "unmeasured".
    `reports` has everything by task: each answer, metric and interval. `headline` says the most important findings in
    sentences, the worst first. `status` says whether the bundle is verified, and why not. `attested` is the content of
    the attestation, as JSON-able data. `problems` lists the files that could not be written: what they should hold is
    here all the same, and their paths are None.
    """

    project: Path
    bundle: str
    base: str
    outcome: Literal["held", "failed", "unmeasured"]
    reports: Mapping[str, TaskReport] = field(repr=False)
    headline: Mapping[str, tuple[str, ...]]
    status: str
    attested: Mapping[str, Any] = field(repr=False)
    answers: Path
    report: Path | None
    attestation: Path | None
    problems: tuple[Problem, ...] = ()

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates of every task."""
        return tuple(gate for report in self.reports.values() for gate in report.gates)

    @property
    def scores(self) -> dict[str, dict[str, Score]]:
        """The value of each metric, by task and by metric."""
        return {
            task: {
                line.metric: Score(
                    line.tuned.value,
                    line.base.value if line.base else None,
                    line.baseline.value if line.baseline else None,
                    line.few_shot.value if line.few_shot else None,
                )
                for line in report.lines
            }
            for task, report in self.reports.items()
        }


def plan_evaluate(
    project: str | Path = ".",
    bundle: str = "latest",
    *,
    engine: Literal["local", "vllm"] | None = None,
    base: str | Path | None = None,
    limit: int | None = None,
    base_limit: int | None = None,
    with_base: bool = True,
    few_shot: int = 0,
    data: str | Path | None = None,
) -> EvaluationPlan:
    """Return what `evaluate` would do with these arguments. Verifies the bundle, its base and the examples.

    Raises as `evaluate` does before it starts its engine.
    """
    from kit.workflows.steps.evaluation.prepared import plan_of, prepare

    asked = {"engine": engine, "limit": limit, "base_limit": base_limit}
    return plan_of(prepare(Path(project), bundle, asked, with_base, _path(base), few_shot, _path(data)))


def evaluate(
    project: str | Path = ".",
    bundle: str = "latest",
    *,
    engine: Literal["local", "vllm"] | None = None,
    base: str | Path | None = None,
    limit: int | None = None,
    base_limit: int | None = None,
    with_base: bool = True,
    few_shot: int = 0,
    data: str | Path | None = None,
    restart: bool = False,
    page: str | Path | Sequence[str | Path] | None = None,
    block: str | None = None,
    report: Report = ignore,
) -> EvaluationResult:
    """Measure a bundle on the project's test examples, and save the result as an attestation of the bundle.

    `bundle` is a digest, the beginning of one, or an alias. `engine` and `limit` default to the bundle's recipe.
    `base` is the folder of the base model, where it has moved since training. Every answer is saved as it is made, and
    the next call continues an interrupted evaluation, unless `restart` is true. `few_shot` asks the base once more,
    with up to that many training examples in its prompts, as many as fit. `page` is a Markdown file, or several:
    between the marks of `block` (by default the bundle's name) the main metric and those with gates are written,
    between the marks of `block`-all everything.

    `data` is a file of examples to measure instead of the test examples, such as those that a threshold is fitted on.
    The answers are saved apart, no gate is judged, and nothing is attested: `attestation` is None, and `outcome` is
    "unmeasured".

    Raises InputError for wrong arguments or test examples, Refused if the bundle is not what its seal describes,
    and Interrupted or Terminated, with what is saved, where the process is asked to stop.
    """
    from kit.workflows.steps.evaluation.measuring import perform
    from kit.workflows.steps.evaluation.prepared import prepare

    asked = {"engine": engine, "limit": limit, "base_limit": base_limit}
    prepared = prepare(Path(project), bundle, asked, with_base, _path(base), few_shot, _path(data))
    pages = [page] if isinstance(page, str | Path) else page or []
    return perform(prepared, [Path(each) for each in pages], block, restart, report)


def _path(given: str | Path | None) -> Path | None:
    return Path(given) if given else None
