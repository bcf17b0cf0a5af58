"""The local engine on a module in training."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

import pytest
import torch

from kit.engines.base import Delta
from kit.engines.local import LocalEngine
from kit.errors import KitError
from kit.task import Completion

from .parts import QUESTIONS, RENDERER, ask, load_nano, with_random_adapter


@contextmanager
def counted(model: torch.nn.Module) -> Iterator[list[int]]:
    """Count the model's calls and their rows."""
    rows: list[int] = []
    handle = model.register_forward_hook(
        lambda module, args, kwargs, output: rows.append(len(output.logits)), with_kwargs=True
    )
    yield rows
    handle.remove()


def test_a_live_adapter_is_active_and_the_module_is_returned_unchanged() -> None:
    model = with_random_adapter(seed=0).train()
    model.get_submodule("base_model.model.model.layers.0").eval()
    modes = {name: module.training for name, module in model.named_modules()}
    weights = {name: value.clone() for name, value in model.named_parameters()}
    attention = model.config._attn_implementation

    async def run() -> tuple[Completion, tuple[float, ...]]:
        engine = LocalEngine.from_model(model, RENDERER)
        await engine.start()
        assert not engine.capabilities.adapters
        found = await asyncio.gather(engine.generate(ask(QUESTIONS[0])), engine.score(ask(QUESTIONS[0]).ids))
        await engine.stop()
        return found[0], found[1]

    completion, scores = asyncio.run(run())

    with torch.no_grad():
        ids = torch.tensor([ask(QUESTIONS[0]).ids])
        logprobs = model.eval()(ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
    model.train().get_submodule("base_model.model.model.layers.0").eval()
    assert torch.allclose(torch.tensor(scores), logprobs, atol=2e-3)
    assert completion.finish in ("stop", "length")
    assert {name: module.training for name, module in model.named_modules()} == modes
    assert model.config._attn_implementation == attention
    assert all(torch.equal(value, weights[name]) for name, value in model.named_parameters())


def test_training_continues_unchanged_after_the_engine_used_the_module() -> None:
    model = with_random_adapter(seed=0).train()

    async def run() -> None:
        engine = LocalEngine.from_model(model, RENDERER)
        await engine.start()
        await engine.generate(ask(QUESTIONS[0]))
        assert model.training
        await engine.stop()

    asyncio.run(run())
    model(torch.tensor([ask(QUESTIONS[0]).ids])).logits.mean().backward()
    gradients = [weights.grad for weights in model.parameters() if weights.requires_grad]
    assert gradients
    assert all(gradient is not None and bool(gradient.isfinite().all()) for gradient in gradients)


def test_a_live_module_takes_no_adapters() -> None:
    async def run() -> None:
        engine = LocalEngine.from_model(load_nano(), RENDERER)
        await engine.start()
        with pytest.raises(KitError, match="takes no adapters"):
            await engine.load("any", RENDERER.folder)
        await engine.stop()

    asyncio.run(run())


def test_a_cancelled_request_takes_no_more_steps() -> None:
    model = load_nano()

    async def run(rows: list[int]) -> None:
        engine = LocalEngine.from_model(model, RENDERER)
        await engine.start()
        endless = asyncio.create_task(engine.generate(ask("Hi", max_tokens=1500, stop_ids=())))
        while not rows:
            await asyncio.sleep(0.001)
        endless.cancel()
        await engine.generate(ask("Hi", max_tokens=3, stop_ids=()))
        await engine.stop()

    with counted(model) as rows:
        asyncio.run(run(rows))
    assert len(rows) < 750


def test_closing_a_stream_frees_its_row_and_no_other() -> None:
    model = load_nano()

    async def run() -> Completion:
        engine = LocalEngine.from_model(model, RENDERER)
        await engine.start()
        steady = asyncio.create_task(engine.generate(ask(QUESTIONS[0], max_tokens=60, stop_ids=())))
        stream = engine.stream(ask("Hi", max_tokens=1500, stop_ids=()))
        assert isinstance(await anext(stream), Delta)
        assert isinstance(stream, AsyncGenerator)
        await stream.aclose()
        completion = await steady
        await engine.stop()
        return completion

    with counted(model) as rows:
        completion = asyncio.run(run())
    assert len(completion.token_ids) == 60
    assert rows[0] == 2
    assert rows[-1] == 1
    assert len(rows) == 60


def test_finished_rows_leave_the_batch() -> None:
    model = load_nano()

    async def run() -> None:
        engine = LocalEngine.from_model(model, RENDERER)
        await engine.start()
        await asyncio.gather(*[engine.generate(ask("Hi", max_tokens=n, stop_ids=())) for n in (2, 4, 6)])
        await engine.stop()

    with counted(model) as rows:
        asyncio.run(run())
    assert rows == [3, 3, 2, 2, 1, 1]
