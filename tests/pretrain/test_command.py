"""The whole command on sets of a few lines: prepare, train, export, stop and resume."""

from __future__ import annotations

import asyncio
import json
import re
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kit.base import find_base
from kit.chat import Renderer
from kit.engines.base import EngineConfig, Generation, Sampling
from kit.engines.local import LocalEngine
from kit.task import Message
from pretrain.__main__ import command
from pretrain.texts import reading
from pretrain.texts.stream import Stream, read_facts
from tests.pretrain.tiny_sets import write_sets

_SMALL = ("--layers", "1", "--step-tokens", "512", "--device", "cpu", "--threads", "1", "--no-compile")


def _run(data: Path, out: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["--data", str(data), "--out", str(out), *_SMALL, *words])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of the sets, and the folder of a run over two steps."""
    pytest.importorskip("matplotlib")
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("out")
    library = write_sets(data)
    with _library(library):
        done = _run(data, out, "--tokens", "4096")
    assert done.exit_code == 0, done.output
    return data, out


@contextmanager
def _library(folder: Path) -> Iterator[None]:
    """Use another folder as Python's standard library."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "sysconfig", types.SimpleNamespace(get_paths=lambda: {"stdlib": str(folder)}))
        yield


def test_the_model_loads_in_the_kit_and_answers(made: tuple[Path, Path]) -> None:
    base = find_base(str(made[1] / "model"))
    assert all(file.stat().st_size < 16 * 2**20 for file in base.weight_files())
    renderer = Renderer(base.folder)
    ids = renderer.dialogue([Message.of("user", "Hello")], generation=True)

    async def answer() -> int:
        engine = LocalEngine(EngineConfig(base.folder, dtype="float32", max_length=64))
        await engine.start()
        try:
            sampling = Sampling(max_tokens=4, stop_ids=renderer.stop_ids)
            return len((await engine.generate(Generation(ids, sampling))).logprobs)
        finally:
            await engine.stop()

    assert 0 <= asyncio.run(answer()) <= 4


def test_the_card_lists_sets_licences_tokens_and_the_command(made: tuple[Path, Path]) -> None:
    card = (made[1] / "model" / "README.md").read_text()
    facts = read_facts(made[1] / "mixture")
    assert facts is not None
    assert all(f"passes over {facts[part]['total']:,})" in " ".join(card.split()) for part in ("constant", "fall"))
    assert "| contracts | CC BY 4.0 | 12 |" in card
    assert "--tokens 4096" in card
    assert all(f"<!-- figures:{bench} -->" in card for bench in ("bits", "base"))
    assert (made[1] / "model" / "curve.png").is_file()


def test_nothing_that_is_held_out_or_evaluated_is_in_the_mixture(made: tuple[Path, Path]) -> None:
    out = made[1]
    renderer = Renderer(out / "mixture" / "tokenizer")
    streams = (Stream(out / "mixture", 0), Stream(out / "mixture" / "fall", 0))
    text = "".join(renderer.decode([int(id) for id in each.read(0, each.length)]) for each in streams)
    held = json.loads((out / "mixture" / "measured.json").read_text())["legal"][0]
    assert "The parties of contract" in text
    assert held.splitlines()[0] not in text
    assert "secret_task" not in text
    assert "Who goes there" not in text


def test_editions_repeat_the_texts_with_new_exercises(made: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = made
    with _library(write_sets(tmp_path / "again")):
        done = _run(data, tmp_path / "out", "--editions", "2", "--only-prepare")
    assert done.exit_code == 0, done.output
    one, two = (read_facts(folder / "mixture") for folder in (out, tmp_path / "out"))
    assert one is not None
    assert two is not None
    assert (one["editions"], two["editions"]) == (1, 2)
    first, both = ((folder / "mixture" / "tokens.bin").read_bytes() for folder in (out, tmp_path / "out"))
    assert both.startswith(first)
    assert 1.5 < len(both) / len(first) < 2.5
    assert both != first + first


def test_the_same_command_resumes_and_does_not_prepare_again(made: tuple[Path, Path]) -> None:
    data, out = made
    before = (out / "mixture" / "tokens.bin").stat().st_mtime_ns
    longer = _run(data, out, "--tokens", "6144")
    assert longer.exit_code == 0, longer.output
    assert "At step 0" not in longer.output
    assert (out / "mixture" / "tokens.bin").stat().st_mtime_ns == before
    card = (out / "model" / "README.md").read_text()
    (seen,) = re.findall(r"It read ([\d,]+) tokens in all", card)
    assert int(seen.replace(",", "")) >= 6144


def test_a_run_without_a_limit_or_without_sets_is_refused(tmp_path: Path) -> None:
    assert "--minutes, --tokens" in _run(tmp_path, tmp_path / "out").output
    lacking = _run(tmp_path, tmp_path / "out", "--tokens", "1")
    assert lacking.exit_code == 2
    assert "A public set is missing" in lacking.output


def test_a_limit_that_is_not_a_number_is_refused(tmp_path: Path) -> None:
    done = _run(tmp_path, tmp_path / "out", "--minutes", "nan")
    assert done.exit_code == 2
    assert "'nan' is not a finite number" in done.output
