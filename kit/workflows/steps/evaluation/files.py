"""Writes the results of an evaluation: the attestation, the report, and the table in a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.bundle.attestation import status_sentence
from kit.bundle.store import Bundle, Store
from kit.data.split import data_digest
from kit.engines.base import Capabilities
from kit.errors import Problem
from kit.evals.figures import figures_on, read_figures, write_figures
from kit.evals.gates import outcome_of
from kit.evals.headline import headline
from kit.evals.pages import complete, short
from kit.evals.report import TaskReport, attestation, by_label
from kit.evals.saved import Answers
from kit.project.project import AnyExample
from kit.system.machine import describe
from kit.workflows.evaluation import EvaluationResult

_COMPLETE = "-all"
_AGAIN = "Free some disk space and run kit eval again; saved answers are not asked again."


@dataclass(frozen=True)
class Place:
    """Where a page holds figures: between the marks of `block`; all of them, or the short form."""

    page: Path
    block: str
    complete: bool


def places_of(pages: Sequence[Path], block: str) -> list[Place]:
    """Return the places on the pages: marks of `block` hold the short form, marks of `block`-all the complete one.

    Raises InputError for a page that has neither, or one of them twice.
    """
    found = []
    for page in pages:
        whole, names = f"{block}{_COMPLETE}", figures_on(page)
        chosen = [name for name in (block, whole) if name in names] or [block]
        for name in chosen:
            read_figures(page, name)  # refuses a page without one clear place
        found += [Place(page, name, name == whole) for name in chosen]
    return found


@dataclass
class _Writing:
    """Writes the files of one result. If one cannot be written, its problem is noted, and the others are written."""

    store: Store
    bundle: Bundle
    payload: dict[str, Any]
    attestation: Path | None = None
    report: Path | None = None
    status: str = ""
    problems: list[Problem] = field(default_factory=list)

    def attest(self) -> None:
        digest = self.bundle.digest
        with self._noted("The result was not attested", _AGAIN):
            attested = self.store.attest(digest, "evaluation", self.payload)
            self.payload["attestation"] = attested.file_name
            self.attestation = self.store.root / "attestations" / digest / attested.file_name
            self.status = status_sentence(self.store.attestations(digest))

    def finish(self, answers: Answers, labels: Mapping[str, Any]) -> None:
        with self._noted("The report was not written", _AGAIN):
            self.report = answers.finish({**self.payload, "by_label": labels})

    def fill(self, place: Place, text: str) -> None:
        with self._noted("The page was not written"):
            write_figures(place.page, place.block, text)

    @contextmanager
    def _noted(self, what: str, advice: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.problems.append(Problem(f"{what}: {error.strerror}.", str(error.filename or ""), advice))


def write_result(
    root: Path,
    bundle: Bundle,
    answers: Answers,
    reports: Sequence[TaskReport],
    engine: Capabilities,
    tests: Sequence[AnyExample],
    places: Sequence[Place],
    apart: str = "",
) -> EvaluationResult:
    """Write everything, and return the result with a problem per file that could not be written.

    `apart` names the file that the examples are from, where they are not the test examples: then nothing is attested.
    """
    headlines = {report.task: headline(report) for report in reports}
    payload = attestation(bundle.digest, reports, engine, data_digest(tests))
    payload |= {"answers": answers.file.relative_to(root).as_posix(), "headline": headlines}
    writing = _Writing(Store(root), bundle, payload)
    if answers.fault:
        writing.problems.append(Problem(f"Not every answer was saved: {answers.fault}.", next=_AGAIN))
    if apart:
        payload["data"] = {"file": apart, "examples": data_digest(tests)}
        writing.status = f"Measured on {apart}: no gate was judged, and nothing was attested."
    else:
        writing.attest()
    if not writing.problems:  # without a report, the next evaluation continues this one
        writing.finish(answers, {each.task: by_label(each) for each in reports})
    for place in places:
        writing.fill(place, _page_text(place.complete, bundle.seal.base.model, reports, payload))
    return EvaluationResult(
        project=root,
        bundle=bundle.digest,
        base=bundle.seal.base.model,
        outcome=outcome_of([gate for report in reports for gate in report.gates]),
        reports={report.task: report for report in reports},
        headline={task: tuple(sentences) for task, sentences in headlines.items()},
        status=writing.status,
        attested=payload,
        answers=answers.file,
        report=writing.report,
        attestation=writing.attestation,
        problems=tuple(writing.problems),
    )


def _page_text(whole: bool, base: str, reports: Sequence[TaskReport], payload: Mapping[str, Any]) -> str:
    """Return the text for a page: each task's tables, complete or short, the base, the engine, the machine."""
    engine = f"Base: {base}. Engine: {payload['engine']['name']}."
    measured = describe(payload["machine"], payload["versions"])
    texts = [complete(each) if whole else short(each) for each in reports]
    if len(texts) == 1:
        return f"{texts[0]} {engine} {measured}"
    titled = [f"### {each.task}\n\n{text}" for each, text in zip(reports, texts, strict=True)]
    return "\n\n".join([*titled, f"{engine} {measured}"])
