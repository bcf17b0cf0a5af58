"""The types of requests, of responses, and of the model's answers."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from kit.task import Strict

_WRITTEN = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

LABEL = r"^[a-z][a-z0-9_]*$"
LONGEST_LABEL = 60
Label = Annotated[str, Field(pattern=LABEL, max_length=LONGEST_LABEL)]


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


class Value(Span):
    """A date, an amount, a percentage or a period in a clause's words, and its normal form."""

    kind: Literal["date", "amount", "percentage", "period"]
    words: str
    value: Annotated[
        str,
        Field(description='"2024-03-01", "EUR 500000", "12.5", "P30D" (ISO 8601); empty if it can be read in two ways'),
    ]


class Party(Span):
    """Who the document names as a party, and the role that it gives it."""

    name: str
    role: str


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
        Field(description="exact: as the model wrote it; repaired: nearly so, and the document's own words are given"),
    ] = "exact"
    also_at: Annotated[
        tuple[Span, ...],
        Field(description="Other places of the same words: 100 at most, and 20,000 in one answer"),
    ] = ()
    confidence: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Probability of the least certain token that names it; with the option calibration, how often "
            "clauses of such a probability are right",
        ),
    ] = None
    values: Annotated[tuple[Value, ...], Field(description="Dates, amounts and periods in it")] = ()

    @model_validator(mode="after")
    def _measured(self) -> Clause:
        if self.end <= self.start:
            raise ValueError(
                f"A clause has one character at least; this one starts at {self.start}, ends at {self.end}"
            )
        if len(self.exact) != self.end - self.start:
            said = f"'exact' has {len(self.exact)} characters, but start and end say {self.end - self.start}"
            raise ValueError(f"{said}: count code points, not bytes or UTF-16 units")
        return self


class Unlocated(Strict):
    """Words that the model wrote as a quote and that are not in the document: never show them as a quote."""

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
    parties: Annotated[tuple[Party, ...], Field(description="Who has a role in quotes in the document")] = ()
    warnings: Annotated[tuple[str, ...], Field(description="Why the answer may be worse than what was measured")] = ()
    offset_unit: Literal["code_points"] = "code_points"

    @field_validator("clauses")
    @classmethod
    def _once(cls, clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
        seen: dict[tuple[str, int, int], int] = {}
        for index, each in enumerate(clauses):
            first = seen.setdefault((each.label, each.start, each.end), index)
            if first != index:
                raise ValueError(f"clauses[{index}] repeats clauses[{first}]: '{each.label}' at {each.start}")
        return clauses


def spoken(label: str) -> str:
    """Return a label in words, as in prompts and answers."""
    return label.replace("_", " ")


@cache
def quotes_type(categories: tuple[str, ...], most: int) -> type[BaseModel]:
    """Return the type of an answer in quotes: under each kind that is there, in a fixed order, its clauses.

    An absent kind is left out, so an answer without clauses is `{}`; the answer's first token decides.
    """
    quotes: dict[str, Any] = {
        f"kind_{index}": (list[str], Field(default=[], alias=spoken(label), min_length=1, max_length=most))
        for index, label in enumerate(categories)
    }
    return create_model("Quotes", __config__=_WRITTEN, **quotes)


@cache
def numbers_type(categories: tuple[str, ...], count: int) -> type[BaseModel]:
    """Return the type of an answer in numbers: the kind of each sentence that is a clause, by number (1 to `count`).

    A sentence of several kinds has a list of them.
    """
    kind: Any = Literal[tuple(spoken(label) for label in categories)]
    if len(categories) > 1:
        kind = kind | Annotated[list[kind], Field(min_length=2, max_length=len(categories))]
    numbers: dict[str, Any] = {
        f"number_{number}": (kind, Field(default=None, alias=str(number))) for number in range(1, count + 1)
    }
    return create_model("Numbers", __config__=_WRITTEN, **numbers)
