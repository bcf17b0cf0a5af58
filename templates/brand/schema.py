"""The types of requests and responses: a brief goes in, a text comes out with what was measured of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kit.task import Strict

Channel = Literal["email", "post", "product", "notice"]
Reason = Literal["memorised", "banned_term", "fact_missing", "number_added", "too_long", "off_voice"]
LONGEST = 8_000  # characters of a text


class BriefRequest(Strict):
    """What a client sends."""

    brief: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=300)], ...],
        Field(min_length=1, max_length=20, description="Facts, each as `label: value` or as a few words"),
    ]
    channel: Annotated[Channel, Field(description="Where the text will stand")]
    max_words: Annotated[int, Field(ge=5, le=400, description="Most words of the text")] = 60


class Fingerprint(Strict):
    """How a text is written, in counts."""

    sentence_mean: Annotated[float, Field(description="Words of a sentence, mean")]
    sentence_sd: Annotated[float, Field(description="Words of a sentence, standard deviation")]
    contractions_per_100: Annotated[float, Field(description="Contractions such as `it's`, per 100 words")]
    you_per_100: Annotated[float, Field(description="Words that speak to the reader, per 100 words")]
    commas_per_100: float
    exclamations_per_100: float
    word_length: Annotated[float, Field(description="Letters of a word, mean")]
    common_per_100: Annotated[float, Field(description="Words of grammar such as `the` and `it's`, per 100 words")]
    opening: Annotated[str, Field(description="First two words, in lower case")]
    opening_known: Annotated[bool, Field(description="Whether the brand's own texts open like this")]
    preferred: Annotated[tuple[str, ...], Field(description="Preferred terms in the text")] = ()
    banned: Annotated[tuple[str, ...], Field(description="Banned terms in the text")] = ()


class BriefResponse(Strict):
    """What a client gets back. Rows of data need only `text`; an answer always has every field."""

    text: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    status: Annotated[Literal["ok", "flagged"] | None, Field(description="`flagged`: a person must look")] = None
    reasons: Annotated[tuple[Reason, ...], Field(description="Why it is flagged")] = ()
    fingerprint: Fingerprint | None = None
    style_distance: Annotated[float | None, Field(description="Mean distance to the brand's fingerprint")] = None
    floor: Annotated[float | None, Field(description="Distance of texts of other authors, mean")] = None
    ceiling: Annotated[float | None, Field(description="Distance of the brand's own texts, mean")] = None
    content_kept: Annotated[float | None, Field(ge=0, le=1, description="Share of facts in the text")] = None
    missing: Annotated[tuple[str, ...], Field(description="Facts of the brief that the text lacks")] = ()
    added_numbers: Annotated[tuple[str, ...], Field(description="Numbers that the brief does not have")] = ()
    memorised: Annotated[int | None, Field(ge=0, description="Longest run of words shared with a training text")] = None
