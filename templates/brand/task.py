"""Writes short texts in a brand's voice: a brief goes in, a text comes out with what was measured of it.

The voice is what the rows in data/ sound like. To make it yours, change them and style.toml, and run fingerprint.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

from kit.metrics.reductions import mean_of, ratio_of
from kit.metrics.rouge import rouge_l
from kit.task import (
    Completion,
    Example,
    FreeText,
    Message,
    Metric,
    Predictor,
    Prompt,
    Record,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)

from .checks import added_numbers, missing_facts
from .filler import Filler
from .schema import LONGEST, BriefRequest, BriefResponse, Reason
from .voice import fingerprint_of, read_guide, read_voice, words_in

INSTRUCTION = "Write this in our voice. Use every fact, add none."


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    answer_tokens: Annotated[int, Field(ge=32, le=8192, description="Tokens that one answer may take")] = 512
    longest_run: Annotated[
        int,
        Field(ge=5, le=100, description="Words in a row of a training text from which a text is flagged"),
    ] = 12


def assess(request: BriefRequest, text: str, longest_run: int) -> BriefResponse:
    """Return a text with everything that is measured of it. It must have a word."""
    voice, brief = read_voice(), request.brief
    found, missing = fingerprint_of(text, voice.openings, read_guide()), missing_facts(text, brief)
    measured = BriefResponse(
        text=text,
        fingerprint=found,
        style_distance=voice.distance(found),
        floor=voice.floor,
        ceiling=voice.ceiling,
        content_kept=1 - len(missing) / len(brief),
        missing=missing,
        added_numbers=added_numbers(text, brief),
        memorised=voice.longest_run(text, brief),
    )
    reasons = tuple(_reasons(measured, request.max_words, longest_run))
    return measured.model_copy(update={"reasons": reasons, "status": "flagged" if reasons else "ok"})


def _reasons(measured: BriefResponse, most: int, longest_run: int) -> Iterator[Reason]:
    """Yield why a measured text is flagged."""
    if (measured.memorised or 0) >= longest_run:
        yield "memorised"
    if measured.fingerprint and measured.fingerprint.banned:
        yield "banned_term"
    if measured.missing:
        yield "fact_missing"
    if measured.added_numbers:
        yield "number_added"
    if len(words_in(measured.text)) > most:
        yield "too_long"
    if (measured.style_distance or 0.0) > (measured.floor or 0.0):
        yield "off_voice"


def style_score(records: Sequence[Record]) -> float | None:
    """Return where the texts stand between the floor (0) and the brand's own texts for the same briefs (1)."""
    measured = [record for record in records if "distance" in record]
    if not measured:
        return None
    distance, own = (sum(record[name] for record in measured) / len(measured) for name in ("distance", "own_distance"))
    floor = read_voice().floor
    return max(0.0, min(1.0, (floor - distance) / (floor - own))) if own < floor else None


def voice_score(records: Sequence[Record]) -> float | None:
    """Return the harmonic mean of the style score and the share of facts kept: both must be high."""
    style, kept = style_score(records), mean_of("content_kept").reduce(records)
    if style is None or kept is None:
        return None
    return 2 * style * kept / (style + kept) if style + kept else 0.0


class Brand(Task[BriefRequest, BriefResponse]):
    """From a brief to a text."""

    name = "brand"
    route = "/v1/brand/write"  # where `kit serve` answers
    request_type = BriefRequest
    response_type = BriefResponse
    Options = Options
    metrics: ClassVar = {
        "voice_score": Metric(voice_score, description="Harmonic mean of style_score and content_kept"),
        "style_score": Metric(style_score, description="0: as far off as other authors; 1: as near as the brand's own"),
        "content_kept": mean_of("content_kept", description="Share of the brief's facts that stand in the text"),
        "ok_rate": mean_of("ok", description="Share of texts without a flag"),
        "added_number_rate": mean_of("added", False, "Share of texts with a number that the brief does not have"),
        "banned_term_rate": mean_of("banned", False, "Share of texts with a banned term"),
        "memorisation_rate": mean_of("memorised", False, "Share of texts with a long run of words of a training text"),
        "length_kept": ratio_of("in_length", "texts", description="Share of texts within max_words"),
        "rouge_l": mean_of("rouge_l", description="Words shared with the reference in order (ROUGE-L F1)"),
    }
    main_metric = "voice_score"
    baseline_name = "the opening and closing of the most similar training text around the bare facts"

    def prompts(self, request: BriefRequest) -> list[Prompt]:
        """Ask for a text. The facts come from a client, so they are not trusted."""
        facts = "\n".join(f"- {' '.join(fact.split())}" for fact in request.brief)
        asked = f"{request.channel}, at most {request.max_words} words\n{facts}"
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        return [Prompt(FreeText(), self.options.answer_tokens, (system, Message.of("user", asked)))]

    def targets(self, request: BriefRequest, response: BriefResponse) -> list[str]:  # noqa: ARG002
        """Return the text."""
        return [response.text.strip()]

    def read(self, request: BriefRequest, completions: Sequence[Completion]) -> BriefResponse:
        """Return the text with its measures. A text that was cut, has no word or is much too long is refused."""
        text = str(parse_answer(FreeText(), completions[0])).strip()
        if not words_in(text) or len(text) > LONGEST:
            raise UnreadableAnswer(f"A text has a word and at most {LONGEST} characters; this one has {len(text)}.")
        return assess(request, text, self.options.longest_run)

    def observe(self, expected: BriefResponse, actual: BriefResponse) -> Record:
        """Return what one text adds to the metrics. Whatever was not measured is left out."""
        guide, voice = read_guide(), read_voice()
        distances = [voice.distance(fingerprint_of(each.text, voice.openings, guide)) for each in (expected, actual)]
        record = {
            "own_distance": distances[0],
            "distance": distances[1],
            "rouge_l": rouge_l(expected.text, actual.text),
        }
        return record | dict(_flags(actual))

    def observe_nothing(self, expected: BriefResponse) -> Record:
        """Return what a text that was refused adds: it is as far off as other authors, and keeps no fact."""
        guide, voice = read_guide(), read_voice()
        own = voice.distance(fingerprint_of(expected.text, voice.openings, guide))
        nothing = {"content_kept": 0.0, "ok": 0.0, "texts": 1.0, "in_length": 0.0, "rouge_l": 0.0}
        return {"own_distance": own, "distance": max(own, voice.floor), **nothing}

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Fill the frame of the most similar training text with the bare facts."""
        filler = Filler([(example.request, example.response.text) for example in examples])
        return lambda request: assess(request, filler.write(request), self.options.longest_run)


def _flags(actual: BriefResponse) -> Iterator[tuple[str, float]]:
    """Yield what a measured answer adds; nothing for a row that has only its text."""
    if actual.status is None or actual.content_kept is None:
        return
    yield "content_kept", actual.content_kept
    yield "ok", float(actual.status == "ok")
    yield "texts", 1.0
    yield "in_length", float("too_long" not in actual.reasons)
    for field, reason in (("added", "number_added"), ("banned", "banned_term"), ("memorised", "memorised")):
        yield field, float(reason in actual.reasons)
