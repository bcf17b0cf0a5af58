"""What a client sends and gets back."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from kit.task import Strict

NOTICE = "Not a medical device. Not medical advice. A qualified person must check this answer against its evidence."
RECORD_ID = "record-"

Status = Literal["answered", "abstained", "emergency"]
Decision = Literal["yes", "no", "maybe"]
Reason = Literal[
    "no_evidence", "not_in_evidence", "no_valid_citation", "number_not_in_evidence", "contradicts_decision",
    "low_confidence", "unreadable",
]  # fmt: skip
IdentifierKind = Literal["name", "phone", "email", "date_of_birth", "record_number", "address"]
Place = Literal["question", "evidence", "record", "answer"]


class Evidence(Strict):
    """One passage that the answer may rest on."""

    id: Annotated[
        str, Field(min_length=1, max_length=200, description="Your name for the passage; the answer cites it")
    ]
    text: Annotated[str, Field(min_length=1, max_length=20_000, description="The words of the passage")]


class MedicalQuestion(Strict):
    """What a client sends."""

    question: Annotated[str, Field(min_length=1, max_length=4000, description="The question, in plain words")]
    evidence: Annotated[
        tuple[Evidence, ...], Field(max_length=100, description="Passages; the answer comes from nothing else")
    ] = ()
    record: Annotated[
        str | None,
        Field(max_length=200_000, description="A patient's record; it is cut into passages record-1, record-2, …"),
    ] = None

    @model_validator(mode="after")
    def _distinct(self) -> MedicalQuestion:
        seen: dict[str, int] = {}
        for number, each in enumerate(self.evidence):
            if each.id.startswith(RECORD_ID):
                raise ValueError(f"evidence[{number}].id starts with '{RECORD_ID}', the name of passages of the record")
            if each.id in seen:  # an id may name a person, so it is not repeated
                raise ValueError(f"evidence[{number}] has the same id as evidence[{seen[each.id]}]")
            seen[each.id] = number
        return self


class Flag(Strict):
    """An amount that the model wrote and that its cited passages do not have."""

    kind: Literal["number_not_in_evidence"] = "number_not_in_evidence"
    text: Annotated[str, Field(description="The amount, in digits. Never show it as an answer")]


class Identifier(Strict):
    """That a text holds something that may identify a person. The text itself is not repeated."""

    kind: IdentifierKind
    place: Place
    count: Annotated[int, Field(ge=1)]


class Emergency(Strict):
    """Which rule of red_flags.toml matched."""

    rule: str
    version: str


class MedicalAnswer(Strict):
    """What a client gets back."""

    status: Status
    answer: Annotated[str, Field(description="The answer, or a fixed text if abstained or an emergency")]
    decision: Annotated[Decision | None, Field(description="For a question of yes or no")] = None
    evidence: Annotated[tuple[str, ...], Field(description="Ids of the passages that the answer rests on")] = ()
    reason: Annotated[Reason | None, Field(description="Why there is no answer")] = None
    flags: Annotated[tuple[Flag, ...], Field(description="Amounts that made an answer be withheld")] = ()
    emergency: Annotated[Emergency | None, Field(description="The rule that answered before the model")] = None
    identifiers: Annotated[tuple[Identifier, ...], Field(description="Kinds of identifiers that were found")] = ()
    confidence: Annotated[
        float | None, Field(ge=0, le=1, description="Probability that the model gave to its verdict")
    ] = None
    notice: Annotated[str, Field(pattern=f"^{re.escape(NOTICE)}$", description="Always the same")] = NOTICE
