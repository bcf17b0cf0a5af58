"""The types of requests, of responses, of events, and of what the model writes."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model, model_validator

from kit.task import Strict

NONE = "none"
LONGEST_LINE = 400
MOST_CHOICES = 200

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
Short = Annotated[str, Field(min_length=1, max_length=80)]
Fact = Annotated[str, Field(min_length=1, max_length=240)]
Line = Annotated[str, Field(min_length=1, max_length=LONGEST_LINE)]

Fault = Literal[
    "invalid_action", "leak", "speaks_for_player", "breaks_character", "modern_word", "unreadable", "cut_off",
    "too_long",
]  # fmt: skip


class Unknown(Strict):
    """Something that the character does not know, and the words that would give it away."""

    topic: Annotated[Fact, Field(description="What it is about, as the model may read it: who stole the bell")]
    tells: Annotated[
        tuple[Short, ...],
        Field(min_length=1, max_length=20, description="Words that give it away. The model never reads them"),
    ]


class Character(Strict):
    """Who speaks, what this character knows, and what it says when there is nothing better to say."""

    name: Short
    persona: Annotated[Fact, Field(description="Who this is, and how they talk")]
    knows: Annotated[tuple[Fact, ...], Field(max_length=30, description="What the character may tell")] = ()
    does_not_know: Annotated[tuple[Unknown, ...], Field(max_length=20)] = ()
    fallback: Annotated[Line, Field(description="A line in this voice that is right at any time")]


class ValidAction(Strict):
    """An action that the game allows in this state, with what it can be done to."""

    name: Name
    targets: Annotated[tuple[Short, ...], Field(max_length=40, description="Empty: the action has no target")] = ()


class State(Strict):
    """What the game says is so, at this moment."""

    place: Short
    mood: Annotated[str, Field(max_length=80)] = ""
    items: Annotated[tuple[Short, ...], Field(max_length=30, description="What the character has")] = ()
    flags: Annotated[tuple[Short, ...], Field(max_length=20, description="Such as night, or raining")] = ()
    valid_actions: Annotated[
        tuple[ValidAction, ...], Field(max_length=40, description="All that may happen now; `none` is always allowed")
    ] = ()

    @model_validator(mode="after")
    def _sound(self) -> State:
        if any(action.name == NONE for action in self.valid_actions):
            raise ValueError("none is always allowed, so it is not listed")
        pairs = sum(max(len(action.targets), 1) for action in self.valid_actions)
        if len(choices(self)) != pairs + 1:
            raise ValueError("an action is listed twice with the same target")
        if pairs > MOST_CHOICES:
            raise ValueError(f"a state has at most {MOST_CHOICES} pairs of an action and a target")
        return self


class Turn(Strict):
    """What was said before."""

    speaker: Literal["player", "npc"]
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_LINE)]


class SceneRequest(Strict):
    """One moment of a dialogue. The game owns all of it, and sends all of it each time."""

    character: Character
    state: State
    memory: Annotated[tuple[Fact, ...], Field(max_length=12, description="Short facts that the game keeps")] = ()
    dialogue: Annotated[tuple[Turn, ...], Field(max_length=12, description="The last turns, oldest first")] = ()
    player_says: Annotated[str, Field(min_length=1, max_length=LONGEST_LINE)]


class Action(Strict):
    """What the character wants to do. It is always allowed in the state of the request."""

    name: Name
    target: Short | None = None


class SceneResponse(Strict):
    """What the character does and says. The game decides what comes of it."""

    action: Annotated[Action, Field(description="One of the valid actions of the request, or none")]
    line: Annotated[Line, Field(description="What the character says")]
    refused: Annotated[
        bool, Field(description="The character declined, in its own voice, to leave its world or its role")
    ] = False
    fallback: Annotated[bool, Field(description="The line is the character's own fallback line")] = False
    faults: Annotated[
        tuple[Fault, ...], Field(description="What was wrong with the model's answer. None of it is in this response")
    ] = ()


class Acted(Strict):
    """Event `action`: it comes before the words, so that an animation can start."""

    action: Action


class Said(Strict):
    """Event `words`: the next clause. With `fallback`, drop the words so far and say these instead."""

    text: str
    fallback: bool = False


def choices(state: State) -> dict[str, Action]:
    """Return every action that the state allows, by what the model writes for it; `none` is the first."""
    found = {NONE: Action(name=NONE)}
    for each in state.valid_actions:
        if each.targets:
            found |= {f"{each.name}: {target}": Action(name=each.name, target=target) for target in each.targets}
        else:
            found[each.name] = Action(name=each.name)
    return found


@lru_cache(maxsize=4096)
def answer_type(names: tuple[str, ...]) -> type[BaseModel]:
    """Return the type of what the model writes: the action first, and only one of these."""
    action: Any = Literal[names]
    return create_model("Scene", __base__=Strict, action=(action, ...), refused=(bool, ...), line=(str, ...))
