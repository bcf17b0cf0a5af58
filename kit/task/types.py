"""A task is a typed function that a language model implements.

`prompts` and `targets` make training rows; `prompts` and `read` answer requests; `observe` and `metrics` score answers.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from kit.recipe.wording import words_for

Role = Literal["system", "user", "assistant"]
TurnRole = Role | Literal["tool"]
Finish = Literal["stop", "length", "abort"]
Record = Mapping[str, float]

RequestT = TypeVar("RequestT", bound=BaseModel)
ResponseT = TypeVar("ResponseT", bound=BaseModel)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys: the base of every type that a task declares."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Text:
    """A piece of a prompt. Only trusted text may yield special tokens."""

    text: str
    trusted: bool = False


@dataclass(frozen=True)
class ToolCall:
    """A call that the assistant made: the name of a function, and its arguments as JSON text (an object)."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Message:
    """One turn of a dialogue.

    An assistant's turn may call tools. The role "tool" holds the result of the call `answers`.
    """

    role: TurnRole
    segments: tuple[Text, ...]
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None

    @classmethod
    def of(cls, role: TurnRole, text: str) -> Message:
        """Return a message of one untrusted segment."""
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """The text of the message, trusted or not."""
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True)
class Choices:
    """The answer is one of a closed set of labels."""

    labels: tuple[str, ...]


@dataclass(frozen=True)
class FreeText:
    """The answer is any text."""


@dataclass(frozen=True)
class JsonSchema:
    """The answer is JSON of a schema that a client sent. It is returned as text.

    `own`: the schema is a bundle's own type, written out for another process.
    """

    schema_text: str
    own: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class ClientGrammar:
    """The answer is text of a grammar that a client sent, in llama.cpp's notation (GBNF). It is returned as text."""

    text: str


AnswerSpec = type[BaseModel] | Choices | FreeText | JsonSchema | ClientGrammar
Answer = BaseModel | str


@dataclass(frozen=True)
class File:
    """Another file of a repository, for context."""

    name: str
    text: str


@dataclass(frozen=True)
class Gap:
    """The text before and after a gap that the model fills, and other files for context. All of it is untrusted."""

    prefix: str
    suffix: str
    files: tuple[File, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """What the model reads, and what shape of answer it must write.

    Either `messages` (rendered with the chat template), `raw` segments (tokenised as they are), or a `gap` (marked with
    the base's own tokens for prefix, suffix and middle; a base without them is refused). `max_tokens` is the
    budget of the answer in tokens; `stop` are strings that end it, in addition to the stop tokens of the model.
    """

    answer: AnswerSpec
    max_tokens: int
    messages: tuple[Message, ...] = ()
    raw: tuple[Text, ...] = ()
    stop: tuple[str, ...] = ()
    gap: Gap | None = None


TopTokens = tuple[tuple[int, float], ...]
"""Token ids with their natural-log probabilities, the most likely first."""


@dataclass(frozen=True)
class Completion:
    """What the model wrote for one prompt.

    `logprobs` has one natural-log probability per token id; `finish` is "length" where the answer was cut. `top` has
    the likeliest tokens at each position, if the request asked for them (`Sampling.top_logprobs`); otherwise it is
    empty. `stopped_by` is the stop string that ended the answer.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish: Finish = "stop"
    top: tuple[TopTokens, ...] = ()
    stopped_by: str | None = None


@dataclass(frozen=True)
class Metric:
    """A named reduction over records; None means that it could not be measured."""

    reduce: Callable[[Sequence[Record]], float | None]
    higher_is_better: bool = True
    description: str = ""


LEAST_WEIGHT, MOST_WEIGHT = 1e-6, 1e6
"""Bounds of a row's weight: beyond them, sums of a training step overflow or vanish in single precision."""


def _weighs(weight: float) -> float:
    if 0 < weight < LEAST_WEIGHT:
        raise ValueError(f"A weight is 0, or from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}")
    return weight


class Example(Strict, Generic[RequestT, ResponseT]):
    """One data row, validated against the task's own types. A split never separates rows of one group."""

    id: str
    request: RequestT
    response: ResponseT
    group: str
    weight: Annotated[float, Field(ge=0, le=MOST_WEIGHT, allow_inf_nan=False), AfterValidator(_weighs)] = 1.0
    tags: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the fields: the class of these types has no name in a module, so pickle would not find it."""
        return _example, tuple(getattr(self, name) for name in Example.model_fields)


def _example(*values: Any) -> Example[Any, Any]:
    given = dict(zip(Example.model_fields, values, strict=True))
    kind: Any = Example
    made: Example[Any, Any] = kind[type(given["request"]), type(given["response"])](**given)
    return made


class Task(ABC, Generic[RequestT, ResponseT]):
    """A typed function implemented by a language model.

    Subclasses name their types as class attributes; `options` come from the recipe, validated by `Options`.
    """

    name: ClassVar[str]
    route: ClassVar[str]
    request_type: ClassVar[type[BaseModel]]
    response_type: ClassVar[type[BaseModel]]
    metrics: ClassVar[Mapping[str, Metric]]
    main_metric: ClassVar[str]

    class Options(Strict):
        """Settings that a recipe may give to the task."""

    def __init__(self, options: Options | None = None) -> None:
        self.options: Any = options if options is not None else self.Options()

    @abstractmethod
    def prompts(self, request: RequestT) -> Sequence[Prompt]:
        """Return one or more prompts; a long document has one for each window."""

    @abstractmethod
    def targets(self, request: RequestT, response: ResponseT) -> Sequence[Answer | None]:
        """Return what the model should write for each prompt; None if a prompt is not trained on."""

    @abstractmethod
    def read(self, request: RequestT, completions: Sequence[Completion]) -> ResponseT:
        """Parse the completions, verify them against the request, and assemble the response.

        Raises UnreadableAnswer if they cannot be parsed.
        """

    @abstractmethod
    def observe(self, expected: ResponseT, actual: ResponseT) -> Record:
        """Return what one example contributes to the metrics."""

    @classmethod
    def example_type(cls) -> type[Example[Any, Any]]:
        """The pydantic type of this task's data rows."""
        return Example[cls.request_type, cls.response_type]  # type: ignore[name-defined]


class UnreadableAnswer(Exception):
    """The model's answer cannot be read as the task's answer type (cut off, or not in its shape)."""


Predictor = Callable[[Any], Any]


@runtime_checkable
class ClassicalBaseline(Protocol):
    """Optional capability: a classical method to compare the tuned model with."""

    baseline_name: str

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn from training examples; return a function from request to response."""


@runtime_checkable
class ScoresNoAnswer(Protocol):
    """Optional capability: the record of an answer that could not be read, where no response can be empty."""

    def observe_nothing(self, expected: Any) -> Record:
        """Return what an example adds to the metrics if there is no answer to it."""


@runtime_checkable
class Rewritable(Protocol):
    """Optional capability: reword an example, for a task whose answers contain positions in the text."""

    def rewrite(self, request: Any, response: Any, reword: Callable[[str], str]) -> tuple[Any, Any]:
        """Return the request with its unquoted parts reworded, and the response that fits the new request."""


@runtime_checkable
class Untaught(Protocol):
    """Optional capability: say why an example has no targets."""

    def untaught(self, request: Any) -> str:
        """Return what to do about an example without targets; empty if there is no advice."""


@runtime_checkable
class Labelled(Protocol):
    """Optional capability: a task whose responses carry labels of a closed or growing set."""

    def labels(self, response: Any) -> Sequence[str]:
        """Return every label of a response, repeated as often as it occurs."""


def labels_of(task: Task[Any, Any], request: Any, response: Any) -> tuple[str, ...]:
    """Return the labels of a response: from the task's `labels`, or its targets if the answer is one of a closed set.

    Empty for a task without labels.
    """
    if isinstance(task, Labelled):
        return tuple(task.labels(response))
    if not any(isinstance(prompt.answer, Choices) for prompt in task.prompts(request)):
        return ()
    pairs = zip(task.prompts(request), task.targets(request, response), strict=True)
    return tuple(str(target) for prompt, target in pairs if target is not None and isinstance(prompt.answer, Choices))


def write_answer(answer: Answer) -> str:
    """Serialise an answer as the model should write it: compact JSON in declared key order, or plain text.

    A field that was never set is not written.
    """
    if isinstance(answer, str):
        return answer
    return json.dumps(answer.model_dump(mode="json", exclude_unset=True), ensure_ascii=False, separators=(",", ":"))


def parse_answer(spec: AnswerSpec, completion: Completion) -> Answer:
    """Read a completion as an answer of the given shape.

    Raises UnreadableAnswer if it was cut off or does not have that shape.
    """
    if completion.finish != "stop":
        raise UnreadableAnswer("The answer was cut off before its end.")
    if isinstance(spec, FreeText | JsonSchema | ClientGrammar):
        return completion.text
    if isinstance(spec, Choices):
        if completion.text not in spec.labels:
            raise UnreadableAnswer("The answer is not one of the labels.")
        return completion.text
    try:
        return spec.model_validate_json(completion.text)
    except ValidationError as error:
        raise UnreadableAnswer(f"The answer is not a {spec.__name__}: {words_for(error.errors()[0])}.") from error


def answer_schema(spec: AnswerSpec) -> dict[str, Any] | None:
    """Return the JSON schema that constrains decoding, or None if the answer is not JSON."""
    if isinstance(spec, Choices | FreeText | ClientGrammar):
        return None
    if isinstance(spec, JsonSchema):
        return dict(json.loads(spec.schema_text))
    return spec.model_json_schema()
