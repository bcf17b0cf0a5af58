"""Writes replies: a customer's message goes in, a short reply in our house style comes out.

To make it yours, change INSTRUCTION, the length limits and the files in data/.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field

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
    Strict,
    Task,
    Text,
    UnreadableAnswer,
    parse_answer,
)
from kit.text.nearest import Nearest

INSTRUCTION = "Write a short, friendly reply to this customer, in our house style."
MOST_CHARACTERS = 600  # characters of a reply, in the data and from the model; also in the API's schema
MOST_TOKENS = 200  # limit for an answer that does not stop on its own


class Request(Strict):
    """What a client sends."""

    message: Annotated[str, Field(min_length=1, max_length=4000, description="The words of the customer")]


class Response(Strict):
    """What a client gets back."""

    reply: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, description="For a person to check and send")]


class Write(Task[Request, Response]):
    """From a message to a reply."""

    name = "write"
    route = "/v1/write"  # where `kit serve` answers
    request_type = Request
    response_type = Response
    metrics: ClassVar = {
        "rouge_l": mean_of("rouge_l", description="Word overlap with the reference reply, in order (ROUGE-L F1)"),
        "signed": mean_of("signed", description="Share of replies that end as the reference does"),
    }
    main_metric = "rouge_l"
    baseline_name = "the reply to the most similar training message (TF-IDF)"

    def prompts(self, request: Request) -> list[Prompt]:
        """Ask for free text."""
        # Only our own words are trusted: a message can never contain a control token.
        system = Message("system", (Text(INSTRUCTION, trusted=True),))
        return [Prompt(FreeText(), MOST_TOKENS, (system, Message.of("user", request.message)))]

    def targets(self, request: Request, response: Response) -> list[str]:  # noqa: ARG002
        """Return what the model should learn to write: one answer for each prompt."""
        return [response.reply]

    def read(self, request: Request, completions: Sequence[Completion]) -> Response:  # noqa: ARG002
        """Turn the model's words into the response. A reply that was cut off, is empty or is too long is refused."""
        reply = str(parse_answer(FreeText(), completions[0])).strip()
        if not 0 < len(reply) <= MOST_CHARACTERS:
            raise UnreadableAnswer(f"A reply has 1 to {MOST_CHARACTERS} characters; this one has {len(reply)}.")
        return Response(reply=reply)

    def observe(self, expected: Response, actual: Response) -> Record:
        """Return what one reply adds to the metrics. Common words are weak evidence, so read some replies too."""
        return {
            "rouge_l": rouge_l(expected.reply, actual.reply),
            "signed": float(expected.reply.splitlines()[-1] == actual.reply.splitlines()[-1]),
        }

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn a baseline without a language model, so that the report shows whether you need one."""
        nearest = Nearest([example.request.message for example in examples])
        return lambda request: examples[nearest.find(request.message)].response
