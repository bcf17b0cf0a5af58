"""A disconnect of the client frees the engine at once."""

from __future__ import annotations

import httpx
import pytest
from openai.types.chat import ChatCompletionUserMessageParam

from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import eventually

HELLO: list[ChatCompletionUserMessageParam] = [{"role": "user", "content": "Hello"}]


def test_a_closed_stream_stops_generating(serve: Serve) -> None:
    engine = ControlledEngine()
    client = serve(engine).openai()
    engine.proceed.clear()
    stream = client.chat.completions.create(model="counter", messages=HELLO, stream=True)
    assert next(iter(stream)).choices[0].delta.role == "assistant"
    assert engine.active == 1
    stream.close()
    eventually(lambda: engine.active == 0, "the generation was cancelled")


@pytest.mark.parametrize(
    ("path", "body", "generations"),
    [("/v1/chat/completions", {"messages": HELLO}, 1), ("/v1/counter", {"text": "x" * 9_000}, 5)],
)
def test_a_disconnect_before_the_answer_stops_all_generations_of_the_request(
    serve: Serve, path: str, body: dict[str, object], generations: int
) -> None:
    engine = ControlledEngine(lambda _: "many words here")
    service = serve(engine)
    engine.proceed.clear()
    before = len(engine.requests)
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(service.url + path, json=body, timeout=httpx.Timeout(5, read=0.3))
    assert len(engine.requests) - before == generations
    eventually(lambda: engine.active == 0, "the generations were cancelled")
    engine.proceed.set()
    assert service.chat().status_code == 200
