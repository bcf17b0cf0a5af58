"""The types of requests, of responses, and of what the model writes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from kit.task import Strict

from .desk import Intent, ModelReason, Reason

MOST_REPLY = 1_200
MOST_SUMMARY = 600
MOST_PASSAGES = 20

Action = Literal["reply", "hand_off", "silent"]


class Turn(Strict):
    """One turn of the thread."""

    role: Annotated[
        Literal["customer", "agent", "system-note"],
        Field(description="Who wrote it. `agent` is the bot or a person of the desk; customers see no system-note"),
    ]
    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class Passage(Strict):
    """A policy or a fact about the account that the reply may use."""

    id: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$")]
    text: Annotated[str, Field(min_length=1, max_length=4_000)]


class SupportRequest(Strict):
    """What a client sends."""

    thread: Annotated[tuple[Turn, ...], Field(min_length=1, max_length=200, description="The turns, oldest first")]
    passages: Annotated[
        tuple[Passage, ...], Field(max_length=MOST_PASSAGES, description="Policies and account facts, from your search")
    ] = ()
    owner: Annotated[
        Literal["bot", "person"],
        Field(description="Who answers now. While it is a person, the bot is silent"),
    ] = "bot"

    @model_validator(mode="after")
    def _distinct(self) -> SupportRequest:
        ids = [passage.id for passage in self.passages]
        repeated = sorted({each for each in ids if ids.count(each) > 1})
        if repeated:
            raise ValueError(f"two passages have the id '{repeated[0]}'; give each passage an id of its own")
        return self


class HandOff(Strict):
    """The state that a person takes the thread over with."""

    reason: Annotated[Reason, Field(description="Why a person takes over")]
    summary: Annotated[str, Field(min_length=1, max_length=4_500, description="For the person; never for the customer")]


class Check(Strict):
    """Something that the checker found in what the model wrote."""

    kind: Annotated[
        Literal["figure", "claim", "action", "link", "placeholder", "source", "form"],
        Field(description="What was wrong: see the table on the template's page"),
    ]
    text: Annotated[str, Field(description="The words that were wrong", max_length=200)]


class SupportResponse(Strict):
    """What a client gets back. A reply with a finding in `checks` is withheld, and the action is then `hand_off`."""

    action: Annotated[Action, Field(description="Send `reply`, give the thread to a person, or do nothing")]
    reply: Annotated[str, Field(max_length=90_000, description="For the customer; empty if the bot is silent")] = ""
    intent: Annotated[Intent | None, Field(description="What the customer wants; null if no model read it")] = None
    sources: Annotated[tuple[str, ...], Field(description="Ids of the passages that the reply stands on")] = ()
    hand_off: Annotated[HandOff | None, Field(description="Set if the action is `hand_off`")] = None
    checks: Annotated[tuple[Check, ...], Field(description="What the checker found")] = ()


Numbers = Annotated[list[Annotated[int, Field(ge=1, le=MOST_PASSAGES)]], Field(max_length=4)]


class Draft(Strict):
    """What the model writes: `text` is the reply, or the summary for a person, or empty."""

    intent: Intent
    action: Action
    sources: Numbers
    reason: ModelReason | None
    text: Annotated[str, Field(max_length=MOST_REPLY)]


class Choice(Strict):
    """What the model writes if replies are quoted: a draft without text."""

    intent: Intent
    action: Action
    sources: Numbers
    reason: ModelReason | None
