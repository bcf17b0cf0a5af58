"""`ask` answers with the task's own types, also inside a notebook's event loop, and never from a changed bundle."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.base import NANO
from kit.engines.base import EngineConfig
from kit.errors import InputError, Refused
from kit.workflows import ask
from kit.workflows.steps.engines import engine_config

FINE = {"text": "the garden was calm and its staff were helpful"}


def test_a_list_of_requests_is_answered_in_order_where_an_event_loop_runs(trained: Path) -> None:
    async def notebook() -> list[object]:
        return list(ask(trained, [FINE, FINE | {"language": "fr"}, FINE], engine="local", threads=1))

    responses = asyncio.run(notebook())
    assert [type(response).__name__ for response in responses] == ["Verdict"] * 3
    assert responses[0] == responses[2]


def test_a_request_of_the_wrong_shape_is_refused_with_its_place(trained: Path) -> None:
    with pytest.raises(InputError) as refused:
        ask(trained, [FINE, {"text": 7}, {"txt": ""}], engine="local")
    places = {problem.where for problem in refused.value.problems}
    assert places == {"request[1].text", "request[2].text", "request[2].txt"}
    with pytest.raises(InputError, match=r"The bundle has no task 'toys'\. Did you mean 'toy'"):
        ask(trained, FINE, task="toys")


@pytest.mark.parametrize("name", ["model/*.safetensors", "task/task.py", "model/chat_template.jinja"])
def test_nothing_is_answered_by_a_bundle_whose_files_changed(project: Path, name: str) -> None:
    (file,) = project.glob(f"bundles/sha256/*/{name}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(Refused, match=file.name):
        ask(project, FINE, engine="local")


def test_nothing_is_answered_by_an_engine_that_runs_another_model(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_the_base(*given: Any) -> EngineConfig:
        return replace(engine_config(*given), model=NANO)

    monkeypatch.setattr("kit.workflows.steps.asking.engine_config", of_the_base)
    with pytest.raises(Refused, match="The engine answers as the base model does"):
        ask(trained, FINE, engine="local", threads=1)
