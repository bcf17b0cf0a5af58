"""Writes a report from a table, and checks every figure of it against the table.

The model reads the table with all changes already computed, so that it only has to copy. Whatever it writes, each
figure is looked up again: `read` trusts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from kit.errors import InputError
from kit.metrics.reductions import f1_over, mean_of, ratio_of
from kit.task import (
    Answer,
    Completion,
    Example,
    FreeText,
    Message,
    Predictor,
    Prompt,
    Record,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)

from .checking import check
from .filler import fill
from .schema import Figure, ReportRequest, ReportResponse
from .showing import shown

INSTRUCTION = "Write a short report on this table. Use no figure that is not in it."
SYSTEM = Text(INSTRUCTION, trusted=True)


class TableReport(Task[ReportRequest, ReportResponse]):
    """From a table to a report whose figures are checked."""

    name = "report"
    route = "/v1/finance/report"
    request_type = ReportRequest
    response_type = ReportResponse
    metrics: ClassVar = {
        "figure_f1": f1_over(description="F1 over figures: hits are supported and expected, false alarms unsupported"),
        "reports_ok": mean_of("ok", description="Share of reports in which every figure is supported"),
        "unsupported_per_report": ratio_of(
            "fp", "reports", False, "Figures that the table does not support; always flagged in the answer"
        ),
        "expected_figures": ratio_of("tp", "expected", description="Share of the expected cells that the report gives"),
    }
    main_metric = "figure_f1"
    baseline_name = "a template that is filled from the table"

    def prompts(self, request: ReportRequest) -> list[Prompt]:
        """One prompt: the title, and a line for each measure with its changes."""
        table = Message.of("user", shown(request))
        return [Prompt(FreeText(), max_tokens=512, messages=(Message("system", (SYSTEM,)), table))]

    def targets(self, request: ReportRequest, response: ReportResponse) -> list[Answer | None]:
        """Return the text to learn. Raises InputError where one of its figures is not in the table."""
        checked = check(response.text, request.table)
        if checked.status != "ok":
            wrong = [f"'{each.quote}': {each.reason}" for each in checked.figures if each.state == "unsupported"]
            what = f"The table does not support this report ({'; '.join(wrong) or 'it has no figures'})."
            raise InputError(what, "response.text", "Correct the text, or the table.")
        return [response.text]

    def read(self, request: ReportRequest, completions: Sequence[Completion]) -> ReportResponse:
        """Check what the model wrote. A text without figures, or with an unsupported one, is flagged."""
        text = str(parse_answer(FreeText(), completions[0])).strip()
        if not text:
            raise UnreadableAnswer("The model wrote nothing.")
        return check(text, request.table)

    def observe(self, expected: ReportResponse, actual: ReportResponse) -> Record:
        """Return figures that are supported and expected, unsupported, and missing; others are neither."""
        wanted, found = _cells(expected.figures), _cells(actual.figures)
        hits = len(wanted & found)
        return {
            "tp": float(hits),
            "fp": float(sum(each.state == "unsupported" for each in actual.figures)),
            "fn": float(len(wanted) - hits),
            "expected": float(len(wanted)),
            "ok": float(actual.status == "ok"),
            "reports": 1.0,
        }

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:  # noqa: ARG002
        """Return the template filler; it needs no examples."""
        return lambda request: check(fill(request), request.table)


def _cells(figures: Sequence[Figure]) -> set[tuple[str | None, ...]]:
    """The cells and changes that are given and supported, each once."""
    sound = [each for each in figures if each.state == "supported"]
    return {(each.kind, each.measure, each.period, each.compared_with) for each in sound}
