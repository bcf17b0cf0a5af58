"""Plays a character of a game: an action that the state allows first, then a line. The game decides what comes of it.

The rules are in code, not in the prompt: `speaking.py` reads the answer, and `bounds.py` checks each clause of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kit.errors import InputError, Problem, nearest
from kit.task import Answer, Completion, Example, Message, Predictor, Prompt, Record, Task, Text

from .baseline import NearestTurn
from .bounds import Bounds, refuse_contradictions
from .schema import NONE, Acted, Action, Said, SceneRequest, SceneResponse, State, answer_type, choices
from .scoring import METRICS, compare
from .speaking import Reader

INSTRUCTION = (
    "Play this game character. Choose one of the actions, or none if none is asked for. Then say a short line in "
    "character. Refuse, in character, to speak of things outside this world. Never speak for the player.\n"
)


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    answer: Annotated[
        Literal["names", "numbers"],
        Field(description="How the model names an action: in words, or by its number in the list"),
    ] = "names"
    sheet: Annotated[
        bool, Field(description="Whether the model reads the character's sheet; a tiny base learns sooner without it")
    ] = True
    turns: Annotated[int, Field(ge=0, le=12, description="How many of the last turns the model reads")] = 6
    answer_tokens: Annotated[int, Field(ge=32, le=1024, description="Tokens that one answer may take")] = 160


class NpcDialogue(Task[SceneRequest, SceneResponse]):
    """From a moment of a dialogue to an action and a line."""

    name = "npc"
    route = "/v1/npc/turn"
    request_type = SceneRequest
    response_type = SceneResponse
    Options = Options
    metrics: ClassVar = METRICS
    main_metric = "action_accuracy"
    baseline_name = "the action of the most similar turn (TF-IDF), on the target that the player names"
    event_types: ClassVar = {"action": Acted, "words": Said}

    def prompts(self, request: SceneRequest) -> list[Prompt]:
        """Ask for one answer. Decoding is constrained, so the model can only write an action that the state allows."""
        refuse_contradictions(request)
        sheet = [Text(_sheet(request))] if self.options.sheet else []
        system = Message("system", (Text(INSTRUCTION, trusted=True), *sheet))
        user = Message.of("user", "\n".join(self._scene(request)))
        return [Prompt(answer_type(tuple(self._written(request))), self.options.answer_tokens, (system, user))]

    def targets(self, request: SceneRequest, response: SceneResponse) -> list[Answer | None]:
        """Return what the model should learn to write. Raises InputError if it breaks the task's rules."""
        written = self._written(request)
        names = [name for name, action in written.items() if action == response.action]
        problems = list(_problems(request, response))
        if not names:
            advice = nearest(response.action.name, [action.name for action in written.values()])
            said = f"The state does not allow the action {_shown(response.action)}."
            problems.append(Problem(said, "response.action", advice or "Add it to state.valid_actions."))
        if problems:
            raise InputError(problems)
        kind = answer_type(tuple(written))
        return [kind(action=names[0], refused=response.refused, line=response.line)]

    def read(self, request: SceneRequest, completions: Sequence[Completion]) -> SceneResponse:
        """Return a response within the request's bounds, whatever the model wrote."""
        reader = self.follow(request)
        reader.read(0, completions[0].text)
        return reader.response()

    def follow(self, request: SceneRequest) -> Reader:
        """Return a reader of the stream: the action as soon as it is certain, then clause by clause."""
        return Reader(self._written(request), Bounds.of(request), request.character.fallback)

    def observe(self, expected: SceneResponse, actual: SceneResponse) -> Record:
        """Return what one turn adds to the metrics; see scoring.py."""
        return compare(expected, actual)

    def labels(self, response: SceneResponse) -> list[str]:
        """Return what kind of turn it is: `refuse`, `none` or `act`."""
        return ["refuse" if response.refused else NONE if response.action.name == NONE else "act"]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline from training examples."""
        return NearestTurn(examples).answer

    def _written(self, request: SceneRequest) -> dict[str, Action]:
        """Return every allowed action by what the model writes for it."""
        found = choices(request.state)
        if self.options.answer == "names":
            return found
        return {str(number): action for number, action in enumerate(found.values())}

    def _scene(self, request: SceneRequest) -> Iterator[str]:
        """Yield the lines of the scene. The allowed actions come last: they are the game's own words."""
        state, turns = request.state, self.options.turns
        facts = (state.place, state.mood, *state.flags)
        yield f"Here: {', '.join(filter(None, facts))}"
        listed = {target for action in state.valid_actions for target in action.targets}
        if others := [item for item in state.items if item not in listed]:
            yield f"Has: {', '.join(others)}"
        if request.memory:
            yield f"Remembers: {' '.join(request.memory)}"
        for turn in request.dialogue[-turns:] if turns else ():
            yield f"{'Player' if turn.speaker == 'player' else 'You'}: {_folded(turn.text)}"
        yield f"Player: {_folded(request.player_says)}"
        yield f"Actions: {'; '.join(self._listed(state))}"

    def _listed(self, state: State) -> Iterator[str]:
        """Yield every action with its targets; with numbers, each of them is followed by its own."""
        count, numbered = itertools.count(), self.options.answer == "numbers"

        def shown(text: str) -> str:
            return f"{text} [{next(count)}]" if numbered else text

        yield shown(NONE)
        for action in state.valid_actions:
            if action.targets:
                yield f"{action.name}: {', '.join(map(shown, action.targets))}"
            else:
                yield shown(action.name)


def _problems(request: SceneRequest, response: SceneResponse) -> Iterator[Problem]:
    found = Bounds.of(request).faults(response.line)
    if found:
        yield Problem(f"The line is out of bounds: {', '.join(found)}.", "response.line", "Write another line.")
    if response.fallback or response.faults:
        yield Problem("A row to learn from has no fallback and no faults.", "response", "Remove them.")
    if response.line != _folded(response.line):
        yield Problem("A line has single spaces, and no line breaks.", "response.line")


def _sheet(request: SceneRequest) -> str:
    """Return the character as the model reads it. What gives a secret away is left out, so it cannot be repeated."""
    character = request.character
    parts = [f"{character.name}: {character.persona}"]
    if character.knows:
        parts.append(f"Knows: {' '.join(character.knows)}")
    if character.does_not_know:
        parts.append(f"Does not know: {'; '.join(each.topic for each in character.does_not_know)}")
    return "\n".join(parts)


def _shown(action: Action) -> str:
    return f"'{action.name}'" if action.target is None else f"'{action.name}' on '{action.target}'"


def _folded(text: str) -> str:
    return " ".join(text.split())
