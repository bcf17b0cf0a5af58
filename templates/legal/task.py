"""Finds clauses in contracts and quotes them in the contract's own words, with their places."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from kit.errors import InputError, Problem, nearest
from kit.metrics.ranking import average_precision, precision_at_recall
from kit.metrics.reductions import f1_over, macro_f1_over, mean_of, ratio_of
from kit.task import Answer, Completion, Example, Message, Predictor, Prompt, Record, Task, Text

from .baseline import SentenceClassifier
from .calibrate import calibrated
from .forms import Form
from .numbering import Numbering
from .quoting import Quoting
from .ranges import Clauses
from .schema import Clause, Extraction, ExtractRequest, Label, Span
from .scoring import compare, confidence_error, worst_false_absent

Share = Annotated[float, Field(ge=0, le=1)]
CATEGORIES = (
    "assignment", "audit_rights", "confidentiality", "exclusivity", "governing_law", "insurance", "liability_cap",
    "non_compete", "payment_terms", "renewal", "termination_for_convenience", "warranty_period",
)  # fmt: skip


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    categories: Annotated[tuple[Label, ...], Field(min_length=1, description="Kinds of clauses to find")] = CATEGORIES
    answer: Annotated[
        Literal["quotes", "numbers"],
        Field(description="What the model writes: clauses in full, or numbers of the sentences in which they begin"),
    ] = "quotes"
    window: Annotated[
        int, Field(ge=300, le=10_000_000, description="Most UTF-8 bytes of the document in one prompt")
    ] = 12_000
    overlap: Annotated[
        int, Field(ge=100, le=10_000_000, description="In quotes: bytes that neighbouring windows share")
    ] = 600
    max_clauses: Annotated[
        int,
        Field(ge=2, le=1000, description="In quotes: how many of one kind in one answer; a full list counts as unread"),
    ] = 12
    answer_tokens: Annotated[int, Field(ge=64, le=2**24, description="Tokens that one answer may take")] = 3_072
    readings: Annotated[int, Field(ge=1, le=8, description="In numbers: windows that read each sentence")] = 1
    threshold: Annotated[
        float, Field(ge=0, lt=1, description="In numbers: least mean probability of the answers that name a clause")
    ] = 0.0
    empty_share: Annotated[
        float, Field(gt=0, le=1, description="Share of windows without any clause that are trained on; one at least")
    ] = 1.0

    calibration: Annotated[
        tuple[tuple[Share, Share], ...],
        Field(max_length=100, description="Points of confidence and share of right clauses, rising; see calibrate.py"),
    ] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        if self.answer == "quotes" and self.overlap * 3 > self.window:
            raise ValueError("overlap is at most a third of window")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError("a category is listed twice")
        if any(x1 <= x0 or y1 < y0 for (x0, y0), (x1, y1) in pairwise(self.calibration)):
            raise ValueError("the points of calibration rise: each confidence is higher, and no share is lower")
        return self


class ClauseExtraction(Task[ExtractRequest, Extraction]):
    """From a document to its clauses, always in the document's own text."""

    name = "clauses"
    route = "/v1/legal/clauses"
    request_type = ExtractRequest
    response_type = Extraction
    Options = Options
    metrics: ClassVar = {
        "clause_f1": f1_over(description="F1 over clauses; the same clause from a word overlap of one half"),
        "clause_f1_macro": macro_f1_over(description="The same, as the mean over the kinds of clauses"),
        "jaccard": ratio_of("jaccard", "expected", description="Mean word overlap of expected clauses with answers"),
        "has_answer_accuracy": ratio_of(
            "presence_right", "presence_asked", description="Kinds rightly said to be there or not"
        ),
        "false_absent_rate": ratio_of(
            "false_absent", "present", False, "Kinds that the document has and the answer calls absent"
        ),
        "false_absent_worst": worst_false_absent(),
        "average_precision": average_precision(
            description="Area under precision and recall of clauses by their confidence"
        ),
        "precision_at_80_recall": precision_at_recall(0.8, description="Precision where 80 % of the clauses are found"),
        "precision_at_90_recall": precision_at_recall(0.9, description="Precision where 90 % of the clauses are found"),
        "calibration_error": confidence_error(),
        "false_alarms_per_document": ratio_of(
            "false_alarms", "documents", False, "Clauses of kinds that the document does not have"
        ),
        "unlocated_per_document": ratio_of(
            "unlocated", "documents", False, "Quotes that are not in the document; never returned as clauses"
        ),
        "coverage": mean_of("coverage", description="Share of the document that was read to the end"),
    }
    main_metric = "clause_f1"
    baseline_name = "TF-IDF and a linear classifier over sentences"

    def prompts(self, request: ExtractRequest) -> list[Prompt]:
        """One prompt per window. The instruction comes first, so that all windows share it as a prefix."""
        self._wanted(request)
        form, text, tokens = self._form, request.text, self.options.answer_tokens
        system = Message("system", (Text(form.instruction, trusted=True),))
        return [
            Prompt(form.answer_type(window), tokens, (system, Message.of("user", form.shown(text, window))))
            for window in form.windows(text)
        ]

    def targets(self, request: ExtractRequest, response: Extraction) -> list[Answer | None]:
        """Return the expected answer for each window, in order.

        A window without a clause is trained on only if the request asks for every kind of the recipe, because a kind
        that nobody looked for may be present. Raises InputError with every clause whose text is not at its offsets,
        whose label is unknown, or whose kind the request does not ask for.
        """
        form, text, share = self._form, request.text, self.options.empty_share
        problems = [*self._misplaced(request, response.clauses)]
        if problems:
            raise InputError(problems)
        asked_all = not self._unasked(request)
        placed, windows, found = Clauses(response.clauses), form.windows(text), list[Answer | None]()
        for window in windows:
            taught = asked_all and _kept(text[window.start : window.end], share)
            nothing = form.answer_type(window)() if taught else None
            found.append(form.target(text, window, placed.meeting(window.start, window.end)) or nothing)
        if asked_all and all(target is None for target in found):  # keep at least one window of each document
            found[:1] = [form.answer_type(window)() for window in windows[:1]]
        return found

    def read(self, request: ExtractRequest, completions: Sequence[Completion]) -> Extraction:
        """Return only the document's own text. If no answer can be read, coverage is 0; that is not an error."""
        found = self._form.read(request.text, completions, self._wanted(request))
        points = self.options.calibration
        return _with_confidences(found, points) if points else found

    def observe(self, expected: Extraction, actual: Extraction) -> Record:
        """Return hits, false alarms, misses and presence by label; see scoring.py."""
        return compare(expected, actual)

    def untaught(self, request: ExtractRequest) -> str:
        """Return which kinds the request leaves out, and what to do about it."""
        unasked = self._unasked(request)
        if not unasked:
            return ""
        said = f"Its request does not ask for {', '.join(unasked)}: whether it has such clauses is not known."
        return f"{said} Remove them from the option categories, label them here too, or give the example weight 0."

    def labels(self, response: Extraction) -> list[str]:
        """The kind of each clause."""
        return [clause.label for clause in response.clauses]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline from training examples."""
        model = SentenceClassifier([(example.request.text, example.response.clauses) for example in examples])

        def predict(request: ExtractRequest) -> Extraction:
            wanted = self._wanted(request)
            spans = [(label, span) for label, span in model.spans(request.text) if label in wanted]
            clauses = tuple(
                Clause(label=label, exact=request.text[span.start : span.end], start=span.start, end=span.end)
                for label, span in spans
            )
            found = {label for label, _ in spans}
            return Extraction(clauses=clauses, not_present=tuple(label for label in wanted if label not in found))

        return predict

    def rewrite(
        self, request: ExtractRequest, response: Extraction, reword: Callable[[str], str]
    ) -> tuple[ExtractRequest, Extraction]:
        """Reword the text between the clauses. The clauses keep their words and get new offsets."""
        placed, text, done, moved = Clauses(response.clauses), "", 0, list[Clause]()
        for span in _together(response.clauses):
            text += reword(request.text[done : span.start])
            shift, done = len(text) - span.start, span.end
            text += request.text[span.start : span.end]
            moved += [
                Clause(label=each.label, exact=each.exact, start=each.start + shift, end=each.end + shift)
                for each in placed.meeting(span.start, span.end)
            ]
        text += reword(request.text[done:])
        return request.model_copy(update={"text": text}), response.model_copy(update={"clauses": tuple(moved)})

    @property
    def _form(self) -> Form[Any]:
        options = self.options
        if options.answer == "numbers":
            return Numbering(options.categories, options.window, options.readings, options.threshold)
        return Quoting(options.categories, options.window, options.overlap, options.max_clauses)

    def _wanted(self, request: ExtractRequest) -> tuple[str, ...]:
        """The requested kinds. The model is always asked for all kinds it was trained on; `read` keeps only these."""
        known: tuple[str, ...] = self.options.categories
        wanted = known if request.categories is None else tuple(dict.fromkeys(request.categories))
        problems = [
            Problem(f"The model does not know the category '{label}'.", "categories", nearest(label, known))
            for label in wanted
            if label not in known
        ]
        if problems:
            raise InputError(problems)
        return wanted

    def _unasked(self, request: ExtractRequest) -> list[str]:
        """Kinds of the recipe that a request leaves out, so the document may have them or not."""
        wanted = set(self._wanted(request))
        return [label for label in self.options.categories if label not in wanted]

    def _misplaced(self, request: ExtractRequest, clauses: Sequence[Clause]) -> Iterator[Problem]:
        text, asked = request.text, request.categories
        for index, clause in enumerate(clauses):
            where = f"response.clauses[{index}]"
            if clause.label not in self.options.categories:
                advice = nearest(clause.label, self.options.categories)
                yield Problem(f"The recipe does not list the category '{clause.label}'.", where, advice)
            elif asked is not None and clause.label not in asked:
                yield Problem(f"The request's categories leave out '{clause.label}', which is labelled.", where)
            if text[clause.start : clause.end] != clause.exact:
                yield Problem(f"The document has a different text at {clause.start} to {clause.end}.", where)


def _with_confidences(found: Extraction, points: Sequence[tuple[float, float]]) -> Extraction:
    """Return the same clauses, each with the probability that the calibration gives for its confidence."""
    clauses = tuple(
        each if each.confidence is None else each.model_copy(update={"confidence": calibrated(each.confidence, points)})
        for each in found.clauses
    )
    return found.model_copy(update={"clauses": clauses})


def _together(clauses: Sequence[Clause]) -> list[Span]:
    """Return the ranges that clauses cover, in order. Clauses that touch or overlap share one range."""
    found: list[Span] = []
    for clause in sorted(clauses, key=lambda clause: clause.start):
        if found and clause.start <= found[-1].end:
            found[-1] = Span(start=found[-1].start, end=max(found[-1].end, clause.end))
        else:
            found.append(Span(start=clause.start, end=clause.end))
    return found


def _kept(text: str, share: float) -> bool:
    """Decide by a hash of the content, so that every run keeps the same windows."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) < share * 0x1_0000_0000
