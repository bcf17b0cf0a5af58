"""What goes in, what comes out, and what the model itself writes."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model

from kit.task import Strict

Label = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class ExtractRequest(Strict):
    """A document, and the kinds of clauses to look for."""

    text: Annotated[str, Field(min_length=1, description="The whole document; offsets count its code points")]
    categories: Annotated[
        tuple[Label, ...] | None, Field(min_length=1, description="Kinds of clauses; default: all that the model knows")
    ] = None


class Span(Strict):
    """A half-open range of the document, in code points."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class Clause(Strict):
    """A clause in the document's own words: a W3C text quote selector and a text position selector in one."""

    label: Label
    exact: Annotated[str, Field(description="The document's own text from start to end")]
    start: Annotated[int, Field(ge=0, description="First code point")]
    end: Annotated[int, Field(ge=0, description="One past the last code point")]
    prefix: Annotated[str, Field(description="The text just before")] = ""
    suffix: Annotated[str, Field(description="The text just after")] = ""
    state: Annotated[
        Literal["exact", "repaired"],
        Field(description="exact: as the model wrote it; repaired: close, so the document's words were put in"),
    ] = "exact"
    also_at: Annotated[
        tuple[Span, ...], Field(description="Other places with the same words, in order; the first hundred")
    ] = ()


class Unlocated(Strict):
    """Words that the model gave as a quote and that do not stand in the document: never to be shown as a quote."""

    label: Label
    state: Literal["absent"] = "absent"
    written: Annotated[str, Field(description="What the model wrote")]
    window: Annotated[Span, Field(description="The part of the document that it was reading")]


class Extraction(Strict):
    """The clauses of a document, in its order."""

    clauses: tuple[Clause, ...] = ()
    not_present: Annotated[
        tuple[Label, ...], Field(description="Kinds asked for of which no clause was found in what was read")
    ] = ()
    unlocated: tuple[Unlocated, ...] = ()
    coverage: Annotated[
        float, Field(ge=0, le=1, description="Share of the document's code points that were read to the end")
    ] = 1.0
    unread: Annotated[tuple[Span, ...], Field(description="Parts for which the model's answer was not complete")] = ()
    offset_unit: Literal["code_points"] = "code_points"


def spoken(label: str) -> str:
    """Return a label in words, as the model reads and writes it."""
    return label.replace("_", " ")


@cache
def answer_type(categories: tuple[str, ...], most: int, words: int | None) -> type[BaseModel]:
    """Return the type that the model writes: under each kind that is there, in a fixed order, its quotes.

    A kind that is not there is left out, so "nothing here" is `{}`: the answer's first token decides. A quote of at
    most `words` words cannot go round in circles; whole quotes carry no limit, since nothing is known of their length.
    """
    settings = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)
    quote: Any = str if words is None else Annotated[str, WithJsonSchema(_few_words(words))]
    quotes: dict[str, Any] = {
        f"kind_{index}": (list[quote], Field(default=[], alias=spoken(label), min_length=1, max_length=most))
        for index, label in enumerate(categories)
    }
    return create_model("Clauses", __config__=settings, **quotes)


def _few_words(most: int) -> dict[str, Any]:
    """The schema of a string of a few words, in which decoders allow no character that JSON escapes."""
    word = r'[^ "\\\n\r\t]+'
    return {"type": "string", "pattern": f"^{word}( {word}){{0,{most - 1}}}$"}
