"""Answers in a dialogue: messages go in, the assistant's next message comes out, text or calls of functions.

Nothing here knows a domain: what the assistant does comes from the rows in data/ and from the system message. The rows
are OpenAI's chat messages; `kit data import openai FILE` makes them from a fine-tuning file as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kit.errors import InputError
from kit.metrics.reductions import mean_of
from kit.metrics.rouge import rouge_l
from kit.task import (
    Completion,
    Example,
    FreeText,
    Message,
    Predictor,
    Prompt,
    Record,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)
from kit.text.nearest import Nearest

from .calls import CLOSE, OPEN, compact, misfit, read_message, same_calls, written
from .schema import AssistantMessage, ChatRequest, ChatResponse, ToolMessage

HOW_TO_CALL = f'To call a function, write {OPEN}{{"name":"…","arguments":{{…}}}}{CLOSE}. Functions:'


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    answer_tokens: Annotated[int, Field(ge=16, le=2**20, description="Tokens that one answer may take")] = 1024
    tools: Annotated[
        Literal["schema", "names"],
        Field(description="How functions are shown: with their JSON schemas, or as one short line each"),
    ] = "schema"


class Chat(Task[ChatRequest, ChatResponse]):
    """From a dialogue to the next message."""

    name = "chat"
    route = "/v1/chat/next"  # where `kit serve` answers
    request_type = ChatRequest
    response_type = ChatResponse
    Options = Options
    metrics: ClassVar = {
        "answer_score": mean_of(
            "score", description="ROUGE-L where the reference is text; 1 or 0 for the right calls where it is calls"
        ),
        "rouge_l": mean_of("rouge_l", description="Words shared with the reference in order (ROUGE-L F1), text only"),
        "calls_exact": mean_of("calls_exact", description="Same functions, same arguments, where calls are expected"),
        "call_or_text": mean_of("kind_right", description="Share of answers that call where the reference calls"),
        "exact": mean_of("exact", description="Share of answers that equal the reference but for case and blanks"),
    }
    main_metric = "answer_score"
    baseline_name = "the answer after the most similar training dialogue (TF-IDF)"

    def prompts(self, request: ChatRequest) -> list[Prompt]:
        """Return the dialogue as it was given. Functions and their results are shown as text, for any chat template."""
        return [Prompt(FreeText(), self.options.answer_tokens, tuple(self._messages(request)))]

    def targets(self, request: ChatRequest, response: ChatResponse) -> list[str]:
        """Return the message as the model writes it. Raises InputError if `read` would refuse it."""
        try:
            text = written(response.message)
            read = read_message(text, request)
        except UnreadableAnswer as error:
            advice = f"Offer the function in request.tools, or change the message. No text may have {OPEN} or {CLOSE}."
            raise InputError(str(error), "response.message", advice) from error
        if (read.content or "") != (response.message.content or "").strip():
            raise InputError(f"The text contains {OPEN}, which marks a call.", "response.message.content", "Remove it.")
        return [text]

    def read(self, request: ChatRequest, completions: Sequence[Completion]) -> ChatResponse:
        """Return the message. An answer that is cut or empty, or has a call that does not fit, is refused."""
        return ChatResponse(message=read_message(str(parse_answer(FreeText(), completions[0])), request))

    def observe(self, expected: ChatResponse, actual: ChatResponse) -> Record:
        """Return what one answer adds to the metrics."""
        left, right = expected.message, actual.message
        kind = float(bool(left.tool_calls) == bool(right.tool_calls))
        same = same_calls(left.tool_calls, right.tool_calls)
        exact = float(same and _folded(left) == _folded(right))
        if left.tool_calls:
            return {"score": float(same), "calls_exact": float(same), "kind_right": kind, "exact": exact}
        score = rouge_l(left.content or "", right.content or "") * kind
        return {"score": score, "rouge_l": score, "kind_right": kind, "exact": exact}

    def observe_nothing(self, expected: ChatResponse) -> Record:
        """Return what an answer that was refused adds: nothing of it is right."""
        if expected.message.tool_calls:
            return {"score": 0.0, "calls_exact": 0.0, "kind_right": 0.0, "exact": 0.0}
        return {"score": 0.0, "rouge_l": 0.0, "kind_right": 0.0, "exact": 0.0}

    def labels(self, response: ChatResponse) -> list[str]:
        """The functions that an answer calls, or `text`."""
        return [call.function.name for call in response.message.tool_calls] or ["text"]

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Answer as after the most similar training dialogue; calls that the request does not allow are left out."""
        nearest = Nearest([_key(example.request) for example in examples])

        def predict(request: ChatRequest) -> ChatResponse:
            message = examples[nearest.find(_key(request))].response.message
            offered = {tool.function.name: tool.function for tool in request.tools}
            fitting = [
                call
                for call in message.tool_calls
                if call.function.name in offered and not misfit(call.function.values, offered[call.function.name])
            ]
            text = message.content or (None if fitting else "I cannot help with that.")
            return ChatResponse(message=AssistantMessage(content=text, tool_calls=tuple(fitting)))

        return predict

    def _messages(self, request: ChatRequest) -> Iterator[Message]:
        """Yield the turns. Functions stand at the end of the first system message; results are a turn of the user."""
        turns, shown = list(request.messages), self._functions(request)
        if shown and turns[0].role == "system":
            yield Message("system", (Text(f"{turns.pop(0).content}\n\n"), *shown))
        elif shown:
            yield Message("system", shown)
        results: list[str] = []
        for turn in turns:
            if isinstance(turn, ToolMessage):
                results.append(f"<tool_response>{turn.content}</tool_response>")
                continue
            if results:
                yield Message.of("user", "\n".join(results))
                results = []
            yield Message.of(turn.role, written(turn) if isinstance(turn, AssistantMessage) else turn.content)
        if results:
            yield Message.of("user", "\n".join(results))

    def _functions(self, request: ChatRequest) -> tuple[Text, ...]:
        """Return the functions as text. Their words come from a client, so they are not trusted."""
        if not request.tools:
            return ()
        functions = [tool.function for tool in request.tools]
        if self.options.tools == "schema":
            lines = [compact(each.model_dump(exclude_none=True, exclude={"strict"})) for each in functions]
            return (Text(f"{HOW_TO_CALL}\n" + "\n".join(lines)),)
        lines = [f"{each.name}({', '.join((each.parameters or {}).get('properties', {}))})" for each in functions]
        return (Text("Functions: " + " ".join(lines)),)


def _folded(message: AssistantMessage) -> str:
    return " ".join((message.content or "").casefold().split())


def _key(request: ChatRequest) -> str:
    """What the baseline compares: the last two turns, with the names of the roles."""
    return "\n".join(f"{turn.role}: {turn.content or ''}" for turn in request.messages[-2:])
