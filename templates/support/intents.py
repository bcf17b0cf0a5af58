"""Names the intent of one message: the task of the public benchmarks, with a set's own intents as options.

The profiles `banking77` and `clinc150` use it. It is also a way to try your own list of intents before you write
passages for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from kit.errors import InputError, nearest
from kit.metrics.reductions import macro_f1_over, mean_of, ratio_of
from kit.task import Choices, Completion, Example, Message, Predictor, Prompt, Record, Strict, Task, Text, parse_answer
from kit.text.nearest import Nearest

from .desk import INTENTS

OUT_OF_SCOPE = "oos"
INSTRUCTION = "What does the customer want? Answer with the name of the intent."
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z][A-Za-z0-9_?]*$")]


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    intents: Annotated[tuple[Name, ...], Field(min_length=2, description="The closed list; `oos` is out of scope")] = (
        INTENTS
    )

    @model_validator(mode="after")
    def _distinct(self) -> Options:
        if len(set(self.intents)) < len(self.intents):
            raise ValueError("an intent is listed twice")
        return self


class Utterance(Strict):
    """What a client sends."""

    text: Annotated[str, Field(min_length=1, max_length=2_000, description="One message of a customer")]


class IntentOf(Strict):
    """What a client gets back."""

    intent: Annotated[str, Field(description="One of the recipe's intents")]


class Intents(Task[Utterance, IntentOf]):
    """From one message to its intent."""

    name = "intents"
    route = "/v1/support/intent"
    request_type = Utterance
    response_type = IntentOf
    Options = Options
    metrics: ClassVar = {
        "accuracy": mean_of("right", description="Messages with the right intent"),
        "in_scope_accuracy": mean_of("in_scope_right", description="The same, without those that are out of scope"),
        "intent_macro_f1": macro_f1_over(description="F1 of intents, as the mean over them"),
        "out_of_scope_recall": ratio_of("scope_found", "scope_asked", description="Out-of-scope messages recognised"),
    }
    main_metric = "accuracy"
    baseline_name = "the intent of the most similar training message (TF-IDF)"

    def prompts(self, request: Utterance) -> list[Prompt]:
        """Ask for one name. The list is not in the prompt: decoding allows nothing else, and training teaches it."""
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        return [Prompt(Choices(self.options.intents), 64, (system, Message.of("user", request.text)))]

    def targets(self, request: Utterance, response: IntentOf) -> list[str]:  # noqa: ARG002
        """Return the intent. Raises InputError if the recipe does not list it."""
        known: tuple[str, ...] = self.options.intents
        if response.intent not in known:
            advice = nearest(response.intent, known) or "Add it to the option intents."
            raise InputError(f"The recipe does not list the intent '{response.intent}'.", "response.intent", advice)
        return [response.intent]

    def read(self, request: Utterance, completions: Sequence[Completion]) -> IntentOf:  # noqa: ARG002
        """Return the intent; whatever is not in the list is refused."""
        return IntentOf(intent=str(parse_answer(Choices(self.options.intents), completions[0])))

    def observe(self, expected: IntentOf, actual: IntentOf) -> Record:
        """Return hits (tp), false alarms (fp) and misses (fn) of each intent."""
        right = float(expected.intent == actual.intent)
        record = {"right": right}
        if right:
            record[f"tp:{expected.intent}"] = 1.0
        else:
            record |= {f"fp:{actual.intent}": 1.0, f"fn:{expected.intent}": 1.0}
        if expected.intent == OUT_OF_SCOPE:
            return {**record, "scope_asked": 1.0, "scope_found": right}
        return {**record, "in_scope_right": right}

    def labels(self, response: IntentOf) -> list[str]:
        """Return the intent."""
        return [response.intent]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline."""
        index = Nearest([example.request.text for example in examples])
        return lambda request: examples[index.find(request.text)].response
