"""Answers medical questions from given passages, or abstains. A rule answers emergencies before the model.

The model writes a verdict and then an answer with passage numbers. `read` checks both; what fails a check is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from kit.errors import InputError
from kit.metrics.reductions import f1_over, macro_f1_over, mean_of, ratio_of
from kit.task import (
    Answer,
    Choices,
    Completion,
    Example,
    Message,
    Predictor,
    Prompt,
    Record,
    Strict,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)

from .baseline import PassageClassifier, best_passage
from .identifiers import scan
from .passages import passages
from .quantities import unsupported
from .red_flags import red_flags
from .schema import Emergency, Flag, Identifier, MedicalAnswer, MedicalQuestion, Place, Reason
from .scoring import AURC, RISK, compare, ece_over, verdict_of

Verdict = Literal["yes", "no", "maybe", "text", "none"]
VERDICTS: tuple[Verdict, ...] = ("yes", "no", "maybe", "text", "none")
DECISIONS = ("yes", "no", "maybe")

INSTRUCTION = (
    "Answer the question from the numbered passages only. "
    "Verdict: yes, no or maybe; text if it is no question of yes or no; none if the passages do not answer it. "
    "Answer: the numbers of the passages, and one or two sentences in their words."
)
WITHHELD: dict[Reason, str] = {
    "no_evidence": "There is no evidence to answer from. Add passages about the question.",
    "not_in_evidence": "The evidence does not answer this question. Add a passage that does.",
    "no_valid_citation": "The answer was withheld: it names none of the passages.",
    "number_not_in_evidence": "The answer was withheld: it has an amount that its passages do not have.",
    "contradicts_decision": "The answer was withheld: its words and its decision differ.",
    "low_confidence": "The answer was withheld: the model was not sure enough.",
    "unreadable": "The answer was withheld: it could not be read.",
}


class Written(Strict):
    """What the model writes after a verdict. Both fields are required of a model; `{}` stands for no answer."""

    model_config = ConfigDict(json_schema_extra={"required": ["evidence", "answer"]})
    evidence: tuple[int, ...] = ()
    answer: str = ""


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    verdicts: Annotated[tuple[Verdict, ...], Field(min_length=2, description="Verdicts that the model may give")] = (
        VERDICTS
    )
    write: Annotated[
        Literal["answer", "verdict"],
        Field(
            description="A verdict and an answer in its own words, or a verdict, to which the best passage is quoted"
        ),
    ] = "answer"
    abstain_below: Annotated[
        float, Field(ge=0, le=1, description="Abstain if the verdict is less probable; threshold.py finds a value")
    ] = 0.0
    answer_tokens: Annotated[int, Field(ge=16, le=8192, description="Tokens that one answer may take")] = 256


class MedicalAnswering(Task[MedicalQuestion, MedicalAnswer]):
    """From a question with evidence to an answer that rests on it, or to an abstention."""

    name = "medical"
    route = "/v1/medical/answer"
    request_type = MedicalQuestion
    response_type = MedicalAnswer
    Options = Options
    metrics: ClassVar = {
        "verdict_f1_macro": macro_f1_over(
            description="F1 over yes, no, maybe, text and none (abstained), as the mean over these verdicts"
        ),
        "accuracy": mean_of("right", description="Share of questions with the right verdict; an emergency is one"),
        "answered_anyway": ratio_of(
            "answered_anyway", "unanswerable", False, "Share of questions without an answer that got one"
        ),
        "coverage": ratio_of("answered", "ordinary", description="Share of ordinary questions that got an answer"),
        "risk": RISK,
        "aurc": AURC,
        "ece": ece_over(description="Gap between confidence and share right"),
        "ece_decision": ece_over("decision", "The same, where the verdict was yes, no or maybe"),
        "ece_text": ece_over("text", "The same, where the verdict was an answer in words"),
        "ece_none": ece_over("none", "The same, where the model abstained"),
        "evidence_f1": f1_over("evidence_tp", "evidence_fp", "evidence_fn", "F1 over cited passages"),
        "answer_overlap": mean_of("overlap", description="ROUGE-L with the expected answer, 0 where none was given"),
        "withheld_numbers": ratio_of("flagged", "ordinary", False, "Share of answers withheld for an amount"),
        "emergency_recall": ratio_of(
            "emergencies_found", "emergencies", description="Share of emergencies that the rules found"
        ),
        "false_alarms": ratio_of(
            "false_alarms", "ordinary", False, "Share of ordinary questions taken for emergencies"
        ),
    }
    main_metric = "verdict_f1_macro"
    baseline_name = "BM25 and a logistic regression"

    def shortcut(self, request: MedicalQuestion) -> MedicalAnswer | None:
        """Answer an emergency with its fixed text, and abstain where nothing can be cited. No model is asked."""
        flag = red_flags().find(request.question)
        if flag is not None:
            return MedicalAnswer(
                status="emergency",
                answer=flag.text,
                emergency=Emergency(rule=flag.rule, version=flag.version),
                identifiers=_identifiers(request, ""),
            )
        return None if passages(request) else self._abstained(request, "no_evidence", None)

    def prompts(self, request: MedicalQuestion) -> list[Prompt]:
        """Ask for the verdict, then for the answer. Both share everything but the last line, as a prefix."""
        verdict = Prompt(Choices(self.options.verdicts), 64, self._messages(request, "Verdict:"))
        if self.options.write == "verdict":
            return [verdict]
        return [verdict, Prompt(Written, self.options.answer_tokens, self._messages(request, "Answer:"))]

    def targets(self, request: MedicalQuestion, response: MedicalAnswer) -> list[Answer | None]:
        """Return the verdict and the answer. An abstention and an emergency have no answer to learn.

        Raises InputError if the response cites a passage that the request does not have.
        """
        verdict = verdict_of(response)
        if response.status != "answered":
            verdict = "none" if "none" in self.options.verdicts else ""
        if verdict not in self.options.verdicts:
            listed = ", ".join(self.options.verdicts)
            raise InputError(f"The recipe does not list the verdict '{verdict_of(response)}'.", "response", listed)
        if self.options.write == "verdict":
            return [verdict]
        return [verdict, self._written(request, response) if response.status == "answered" else None]

    def read(self, request: MedicalQuestion, completions: Sequence[Completion]) -> MedicalAnswer:
        """Check what the model wrote against the request. Whatever fails a check is withheld, with the reason."""
        if (ready := self.shortcut(request)) is not None:
            return ready
        try:
            verdict = str(parse_answer(Choices(self.options.verdicts), _first(completions, 0)))
        except UnreadableAnswer:
            return self._abstained(request, "unreadable", None)
        confidence = _probability(completions[0])
        if verdict == "none":
            return self._abstained(request, "not_in_evidence", confidence)
        if self.options.write == "verdict":
            return self._decided(request, verdict, confidence)
        try:
            written = parse_answer(Written, _first(completions, 1))
        except UnreadableAnswer:
            return self._abstained(request, "unreadable", confidence)
        assert isinstance(written, Written)
        return self._checked(request, verdict, written, confidence)

    def observe(self, expected: MedicalAnswer, actual: MedicalAnswer) -> Record:
        """Return what one example adds to the metrics; see scoring.py."""
        return compare(expected, actual)

    def labels(self, response: MedicalAnswer) -> list[str]:
        """The verdict. An emergency has none: rules find it, and the model never learns it."""
        return [] if response.status == "emergency" else [verdict_of(response)]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline. The rules for emergencies come first, as in the service."""
        rows = [(row.request, verdict_of(row.response)) for row in examples if row.response.status != "emergency"]
        model = PassageClassifier(rows)

        def predict(request: MedicalQuestion) -> MedicalAnswer:
            if (ready := self.shortcut(request)) is not None:
                return ready
            odds = model.verdicts(request)
            verdict = max(odds, key=lambda label: odds[label])
            if verdict == "none":
                return self._abstained(request, "not_in_evidence", odds[verdict])
            return self._decided(request, verdict, odds[verdict])

        return predict

    def _messages(self, request: MedicalQuestion, ask: str) -> tuple[Message, ...]:
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        lines = [f"[{number}] {_line(each.text)}" for number, each in enumerate(passages(request), start=1)]
        text = "\n".join([*lines, f"Question: {_line(request.question)}", ask])
        return system, Message.of("user", text)

    def _written(self, request: MedicalQuestion, response: MedicalAnswer) -> Written:
        numbers = {each.id: number for number, each in enumerate(passages(request), start=1)}
        for place, name in enumerate(response.evidence):
            if name not in numbers:
                raise InputError("The request has no passage of this id.", f"response.evidence[{place}]")
        return Written(evidence=tuple(numbers[name] for name in response.evidence), answer=response.answer)

    def _checked(
        self, request: MedicalQuestion, verdict: str, written: Written, confidence: float | None
    ) -> MedicalAnswer:
        known = passages(request)
        cited = [known[number - 1] for number in dict.fromkeys(written.evidence) if 1 <= number <= len(known)]
        if not written.answer.strip() or not cited:
            return self._abstained(request, "no_valid_citation", confidence)
        if wrong := unsupported(written.answer, [each.text for each in cited]):
            flags = tuple(Flag(text=text) for text in wrong)
            return self._abstained(request, "number_not_in_evidence", confidence, flags)
        opening = written.answer.strip().split()[0].casefold().strip(".,;:!")
        if verdict in DECISIONS and opening in DECISIONS and opening != verdict:
            return self._abstained(request, "contradicts_decision", confidence)
        return self._answered(request, verdict, written.answer.strip(), tuple(each.id for each in cited), confidence)

    def _decided(self, request: MedicalQuestion, verdict: str, confidence: float | None) -> MedicalAnswer:
        """Return a verdict with a quote: the sentence most like the question, and its passage."""
        name, quote = best_passage(request)
        answer = f"{verdict.capitalize()}. {quote}" if verdict in DECISIONS else quote
        return self._answered(request, verdict, answer, (name,), confidence)

    def _answered(
        self, request: MedicalQuestion, verdict: str, answer: str, names: tuple[str, ...], confidence: float | None
    ) -> MedicalAnswer:
        if confidence is not None and confidence < self.options.abstain_below:
            return self._abstained(request, "low_confidence", confidence)
        decision: Any = verdict if verdict in DECISIONS else None
        found = _identifiers(request, answer)
        return MedicalAnswer(
            status="answered", answer=answer, decision=decision, evidence=names, identifiers=found,
            confidence=confidence,
        )  # fmt: skip

    def _abstained(
        self, request: MedicalQuestion, reason: Reason, confidence: float | None, flags: tuple[Flag, ...] = ()
    ) -> MedicalAnswer:
        return MedicalAnswer(
            status="abstained", answer=WITHHELD[reason], reason=reason, flags=flags, confidence=confidence,
            identifiers=_identifiers(request, ""),
        )  # fmt: skip


def _identifiers(request: MedicalQuestion, answer: str) -> tuple[Identifier, ...]:
    given: list[tuple[Place, str]] = [("question", request.question), ("record", request.record or "")]
    given += [("evidence", each.text) for each in request.evidence]
    return scan([*given, ("answer", answer)])


def _first(completions: Sequence[Completion], index: int) -> Completion:
    if index >= len(completions):
        raise UnreadableAnswer("There is no answer.")
    return completions[index]


def _probability(completion: Completion) -> float | None:
    """Return the probability of the whole verdict; None where the engine gave none."""
    if not completion.logprobs:
        return None
    return min(1.0, math.exp(sum(completion.logprobs)))


def _line(text: str) -> str:
    """Put a text on one line, so that it cannot pretend to be another passage."""
    return " ".join(text.split())
