"""A client that leaves frees what it held, at once."""

from __future__ import annotations

import httpx
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.serving.conftest import Serve
from tests.serving.http import eventually
from tests.serving.stage import Stage

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello"}]


def test_a_stream_that_is_left_midway_stops_generating(serve: Serve) -> None:
    stage = Stage()
    client = serve(stage).openai()
    stage.curtain.clear()
    stream = client.chat.completions.create(model="counter", messages=HELLO, stream=True)
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    assert stage.on_stage == 1
    stream.close()
    eventually(lambda: stage.on_stage == 0, "the generation was cancelled")


@pytest.mark.parametrize(
    ("path", "body", "generations"),
    [("/v1/chat/completions", {"messages": HELLO}, 1), ("/v1/counter", {"text": "x" * 9_000}, 5)],
)
def test_a_client_that_leaves_before_the_answer_stops_all_of_its_generations(
    serve: Serve, path: str, body: dict[str, object], generations: int
) -> None:
    stage = Stage(lambda _: "many words here")
    service = serve(stage)
    stage.curtain.clear()
    before = len(stage.requests)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(service.url + path, json=body, timeout=httpx.Timeout(5, read=0.3))
    assert len(stage.requests) - before == generations
    eventually(lambda: stage.on_stage == 0, "the generations were cancelled")
    stage.curtain.set()
    assert service.chat().status_code == 200
