"""What `kit eval` does around its measuring: progress, an interruption that loses nothing, and keeping the result."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.output import Output
from kit.errors import Problem

if TYPE_CHECKING:
    from kit.cli.eval import Plan
    from kit.engines.base import Capabilities
    from kit.evals.report import TaskReport
    from kit.evals.saved import Answers

_LONG_SECONDS = 300.0
_FIRST = 4  # answers before the rest is estimated: the first one pays for the start


@dataclass
class Kept:
    """What was measured, as data, and where it lies: `problems` say what could not be written."""

    payload: dict[str, Any]
    answers: Path
    report: Path | None = None
    status: str = ""
    problems: list[Problem] = field(default_factory=list)


@contextmanager
def stopped(answers: Answers, ref: str) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into a sentence that says what was saved, and how to continue."""
    from kit.cli.main import Interrupted, SigTerm, Terminated

    advice = f"Continue with: kit eval{'' if ref == 'latest' else f' {ref}'}, and the options that you gave."
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(_saved("Interrupted", answers), next=advice) from None
    except SigTerm:
        raise Terminated(_saved("Terminated", answers), next=advice) from None


def _saved(what: str, answers: Answers) -> str:
    if answers.fault:
        return f"{what}. Not every answer was saved: {answers.fault}."
    return f"{what}. {len(answers)} answers are saved in {answers.file}."


@contextmanager
def column(output: Output, who: str, total: int) -> Iterator[Callable[[bool], None]]:
    """Give a function to call once per answer, with whether it was asked now; shows how many of how many.

    Where the base will take long, says so once, with the way to have it measured on fewer examples.
    """
    from kit.cli.progress import counted

    began, done, asked, warned = time.monotonic(), 0, 0, False
    with counted(output, f"Scoring {who}", total) as step:

        def heard(now: bool) -> None:
            nonlocal done, asked, warned
            done, asked = done + 1, asked + now
            step()
            left = (time.monotonic() - began) / asked * (total - done) if asked >= _FIRST else 0.0
            if who == "base" and left > _LONG_SECONDS and not warned:
                warned = True
                output.say(f"\n{_slow(left)}")

        yield heard


def _slow(seconds: float) -> str:
    return (
        f"The base needs about {seconds / 60:.0f} minutes more. Ctrl-C keeps what is saved; then "
        "kit eval --base-limit 20 asks it 20 examples only, and kit eval --no-base none."
    )


def keep(
    plan: Plan,
    answers: Answers,
    reports: Sequence[TaskReport],
    capabilities: Capabilities,
    place: tuple[Path, str] | None,
) -> Kept:
    """Write the attestation, the report and the page; what cannot be written is noted, and the result is kept."""
    from kit.bundle.attestation import status_sentence
    from kit.bundle.store import Store
    from kit.cli.evaluated import page_text
    from kit.data.split import data_digest
    from kit.evals.figures import write_figures
    from kit.evals.headline import headline
    from kit.evals.report import attestation, by_label

    tested = data_digest(example for data in plan.data for example in data.examples("test"))
    payload = attestation(plan.bundle.digest, reports, capabilities, tested)
    payload["answers"] = answers.file.relative_to(plan.project.root).as_posix()
    payload["headline"] = {report.task: headline(report) for report in reports}
    kept, store = Kept(payload, answers.file), Store(plan.project.root)
    again = "Make room and run kit eval again: what is saved is not asked again."
    if answers.fault:
        kept.problems.append(Problem(f"Not every answer was saved: {answers.fault}.", next=again))
    with _noted(kept, "The result was not attested", again):
        attested = store.attest(plan.bundle.digest, "evaluation", payload)
        kept.payload["attestation"] = attested.file_name
        kept.status = status_sentence(store.attestations(plan.bundle.digest))
    if not kept.problems:
        with _noted(kept, "The report was not written", again):
            kept.report = answers.finish({**payload, "by_label": {each.task: by_label(each) for each in reports}})
    if place is not None:
        with _noted(kept, "The page was not written"):
            write_figures(*place, page_text(plan, reports, payload))
    return kept


@contextmanager
def _noted(kept: Kept, what: str, advice: str = "") -> Iterator[None]:
    """Note an error of the disk instead of raising it: the table is printed all the same."""
    try:
        yield
    except OSError as error:
        kept.problems.append(Problem(f"{what}: {error.strerror}.", str(error.filename or ""), advice))
