"""Pretraining learns, resumes to the same bits, and its result loads everywhere."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kit.chat import Renderer
from kit.errors import InputError, KitError
from pretrain.export import export
from pretrain.history import draw, read_history, smoothed
from pretrain.measure import bits_per_byte, measured_texts
from pretrain.muon import orthogonal
from pretrain.schedule import Limit, share_of_rate
from pretrain.texts.documents import Document
from pretrain.texts.stream import Stream
from pretrain.texts.tokenizer import train_tokenizer
from pretrain.training import LOG, Stopped
from tests.pretrain.parts import make_stream, settings, trainer


def _weights(run: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in run.model.state_dict().items()}


def test_every_epoch_reads_every_piece_once_in_a_new_order(tmp_path: Path) -> None:
    stream = make_stream(tmp_path)
    first, second = (stream.read(epoch * stream.length, stream.length) for epoch in (0, 1))
    assert sorted(first) == sorted(second)
    assert not np.array_equal(first, second)
    across = Stream(tmp_path, seed=0).read(stream.length - 5, 10)
    assert np.array_equal(across, np.concatenate([first[-5:], second[:5]]))


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_the_model_learns_a_rule(tmp_path: Path, optimiser: str) -> None:
    trainer(tmp_path, 128 * 60, optimiser=optimiser, learning_rate=1e-2, embedding_rate=1e-2).run()
    losses = [step["loss"] for step in read_history(tmp_path / "run" / LOG).steps]
    assert len(losses) == 60
    assert losses[0] > 3.0
    assert losses[-1] < 0.7 * losses[0]


def test_a_stopped_run_equals_the_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole", 128 * 8)
    whole.run()
    broken = trainer(tmp_path / "broken", 128 * 8)
    read = broken.stream.read

    def interrupt(at: int, count: int) -> Any:
        if at >= 128 * 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return read(at, count)

    broken.stream.read = interrupt  # type: ignore[method-assign]
    with pytest.raises(Stopped) as caught:
        broken.run()
    assert caught.value.number == signal.SIGTERM
    resumed = trainer(tmp_path / "broken", 128 * 8)
    assert resumed.cursor.step == 5
    resumed.run()
    one, two = _weights(whole), _weights(resumed)
    assert all(torch.equal(one[name], two[name]) for name in one)
    steps = read_history(tmp_path / "broken" / "run" / LOG).steps
    assert [step["step"] for step in steps] == list(range(1, 9))


def test_a_longer_limit_resumes_from_before_the_rate_fell(tmp_path: Path) -> None:
    trainer(tmp_path, 128 * 8).run()
    longer = trainer(tmp_path, 128 * 12)
    assert (longer.cursor.step, longer.cursor.fell_at) == (5, None)
    longer.run()
    shares = {step["step"]: step["share"] for step in read_history(tmp_path / "run" / LOG).steps}
    assert len(shares) == 12
    assert shares[7] == 1.0
    assert shares[12] < 0.5


def test_while_the_rate_falls_another_mixture_is_read_from_its_start(tmp_path: Path) -> None:
    run = trainer(tmp_path, 128 * 8)
    asked: dict[str, list[int]] = {}
    for name, stream in (("constant", run.stream), ("fall", run.fall)):
        places = asked.setdefault(name, [])

        def noted(at: int, count: int, read: Any = stream.read, places: list[int] = places) -> Any:
            places.append(at)
            return read(at, count)

        stream.read = noted  # type: ignore[method-assign]
    run.run()
    assert asked == {"constant": list(range(0, 128 * 5, 64)), "fall": list(range(0, 128 * 3, 64))}


def test_a_folder_with_another_run_is_refused_with_what_differs(tmp_path: Path) -> None:
    trainer(tmp_path, 128).run()
    with pytest.raises(InputError, match="other settings: settings"):
        trainer(tmp_path, 256, weight_decay=0.5)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    run = trainer(tmp_path, 128 * 4)
    with torch.no_grad():
        run.model.model.norm.weight.fill_(torch.nan)
    with pytest.raises(KitError, match="The loss of step 1 is nan"):
        run.run()
    assert not list((tmp_path / "run").glob("*.pt"))


def test_the_rate_warms_up_stays_constant_and_falls_to_zero() -> None:
    chosen = settings(warmup_steps=4, decay=0.25)
    assert [share_of_rate(step, 0.0, chosen) for step in (0, 3, 9)] == [0.25, 1.0, 1.0]
    assert [share_of_rate(99, done, chosen) for done in (0.75, 0.875, 1.0)] == [1.0, 0.5, 0.0]
    assert Limit(seconds=10, tokens=100).progress(5, 90) == 0.9


def test_an_orthogonal_update_has_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((2, 24, 48), (2, 48, 24)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape) * 1e-3))
        assert values.min() > 0.5
        assert values.max() < 1.4


def test_moving_averages_start_without_bias() -> None:
    assert smoothed([2.0, 2.0, 2.0]) == pytest.approx([2.0, 2.0, 2.0])


def test_bits_per_byte_of_an_untrained_model_match_its_vocabulary_size(tmp_path: Path) -> None:
    texts = ["The notice is due within thirty days. " * 30]
    train_tokenizer(texts, tmp_path / "tokenizer", 300)
    renderer = Renderer(tmp_path / "tokenizer")
    run = trainer(tmp_path, 128)
    run.model.resize_token_embeddings(renderer.vocabulary_size)
    with torch.no_grad():
        run.model.model.norm.weight.zero_()
    found = bits_per_byte(run.model, renderer, {"legal": texts}, window=16)
    expected = np.log2(renderer.vocabulary_size) * len(renderer.answer(texts[0])) / len(texts[0].encode())
    assert found["legal"] == pytest.approx(expected, rel=1e-4)


def test_measured_texts_are_cut_to_size_and_come_in_hash_order() -> None:
    documents = [Document("agreements", str(number), f"{number:03d}" * 20) for number in range(20)]
    chosen = measured_texts(documents, most=200)
    assert list(chosen) == ["legal"]
    assert sum(map(len, chosen["legal"])) == 200
    assert chosen == measured_texts(documents[::-1], most=200)


def test_the_exported_model_loads_in_transformers_with_the_same_results(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    train_tokenizer(["Good day."], tmp_path / "tokenizer", 300)
    run = trainer(tmp_path, 128)
    run.run()
    export(run.model, tmp_path / "tokenizer", tmp_path / "model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32, local_files_only=True)
    ids = torch.arange(1, 9)[None]
    with torch.no_grad():
        gap = (loaded(ids).logits - run.model(ids).logits).abs().max()
    assert gap < 0.05
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (config["model_type"], config["eos_token_id"], config["dtype"]) == ("qwen3", 2, "bfloat16")
    assert Renderer(tmp_path / "model").stop_ids


def test_the_curve_is_drawn(tmp_path: Path) -> None:
    trainer(tmp_path, 128 * 2).run()
    pytest.importorskip("matplotlib")
    draw(read_history(tmp_path / "run" / LOG), tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
