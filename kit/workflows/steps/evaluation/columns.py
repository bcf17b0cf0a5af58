"""Asks the models: the tuned one, its base, and its base with solved training examples in its prompts."""

from __future__ import annotations

from dataclasses import dataclass

from kit.engines.answerer import Answerer, BoundTask, SamplingDefaults
from kit.engines.base import Engine
from kit.evals.few_shot import Shots, choose_shots
from kit.evals.measure import BASE, FEW_SHOT, TUNED, measure
from kit.evals.run import Evaluation
from kit.evals.saved import Answers
from kit.project.project import Data
from kit.workflows.events import Note, Report
from kit.workflows.steps.engines import adapter_name
from kit.workflows.steps.evaluation.prepared import Prepared
from kit.workflows.steps.evaluation.progress import ColumnProgress

_SHORT = 8


@dataclass(frozen=True)
class OfBase:
    """What the base answered: alone, and with examples in its prompts; None for what was not asked."""

    plain: Evaluation | None = None
    few_shot: Evaluation | None = None
    shots: Shots | None = None


async def ask_tuned(prepared: Prepared, answers: Answers, report: Report, engine: Engine) -> list[Evaluation]:
    """Ask the tuned model the examples of every task."""
    heard, adapter = ColumnProgress(report, TUNED, prepared.count(TUNED)), adapter_name(prepared.bundle)
    asked = [(data, _answerer(prepared, data, engine, adapter)) for data in prepared.data]
    return [await measure(answers, answerer, TUNED, prepared.examples(data, TUNED), heard) for data, answerer in asked]


async def ask_base(prepared: Prepared, answers: Answers, report: Report, engine: Engine) -> list[OfBase]:
    """Ask the base the examples of every task, and again with examples in its prompts if that was asked for."""
    heard = ColumnProgress(report, BASE, prepared.count(BASE))
    found = []
    for data in prepared.data:
        answerer, examples = _answerer(prepared, data, engine), prepared.examples(data, BASE)
        found.append(OfBase(await measure(answers, answerer, BASE, examples, heard)))
    if not prepared.few_shot:
        return found
    return [
        await _with_shots(prepared, answers, report, engine, data, base)
        for data, base in zip(prepared.data, found, strict=True)
    ]


async def _with_shots(
    prepared: Prepared, answers: Answers, report: Report, engine: Engine, data: Data, base: OfBase
) -> OfBase:
    """Add what the base answers with examples in its prompts, or why it cannot be asked so."""
    examples = prepared.examples(data, BASE)
    bound = BoundTask(data.task, prepared.bundle.renderer(), engine.capabilities.max_length)
    shots = choose_shots(bound, data.examples("train"), examples, prepared.few_shot)
    report(Note(shots.sentence))
    if shots.reason:
        return OfBase(base.plain, None, shots)
    who = f"{FEW_SHOT} {shots.digest[:_SHORT]}"  # answers with other examples in the prompt are other answers
    heard, answerer = ColumnProgress(report, FEW_SHOT, len(examples)), _answerer(prepared, data, engine, shots=shots)
    return OfBase(base.plain, await measure(answers, answerer, who, examples, heard), shots)


def _answerer(
    prepared: Prepared, data: Data, engine: Engine, adapter: str | None = None, shots: Shots | None = None
) -> Answerer:
    defaults = SamplingDefaults(**prepared.bundle.seal.sampling.model_dump())
    turns = shots.turns if shots else ()
    return Answerer(data.task, prepared.bundle.renderer(), engine, adapter, defaults, turns)
