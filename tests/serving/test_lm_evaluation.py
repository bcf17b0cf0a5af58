"""lm-evaluation-harness measures over HTTP what it measures in its own process with the same weights."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from kit.base import NANO
from kit.bundle.store import Bundle, Store
from kit.chat import Renderer
from kit.engines.base import EngineConfig
from kit.engines.local import LocalEngine
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.http import Service, running
from tests.serving.test_real_engine import ROOMS, TASK, Trained

CHOICE = """
task: rooms
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: multiple_choice
doc_to_text: "In which room is the {{thing}}?"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
target_delimiter: " "
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
"""
GENERATE = """
task: answers
dataset_path: json
dataset_kwargs: {data_files: {test: FILE}}
test_split: test
output_type: generate_until
doc_to_text: "In which room is the {{thing}}?"
doc_to_target: "attic"
generation_kwargs: {until: ["~~~"], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""
CHOICES = ["attic", "cellar", "kitchen", "the upper hall"]


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle with an untrained adapter: an evaluator measures any weights."""
    project, adapter = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("adapter")
    (project / "task.py").write_text(TASK)
    torch.manual_seed(0)
    model: Any = AutoModelForCausalLM.from_pretrained(str(NANO), dtype=torch.float32)
    random = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(model, random).save_pretrained(str(adapter))
    rows = tuple(Renderer(NANO).trusted(f"In which room is the {thing}? {room}") for thing, room in ROOMS.items())
    return Trained(project, adapter, rows).bundle("merged", Store(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def served(merged: Bundle) -> Iterator[Service]:
    engine = LocalEngine(EngineConfig(merged.model_folder, threads=1))
    with running(create_app(Settings(), engine, [Deployed(merged, "preview")])) as service:
        yield service


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two tasks of twenty rows, and no way to a network."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    things = [f"{size}{thing}" for size in ("", "small ", "large ", "old ") for thing in ROOMS]
    rows = [{"thing": thing, "choices": CHOICES, "answer": place % 4} for place, thing in enumerate(things)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in (("rooms", CHOICE), ("answers", GENERATE)):
        (tmp_path / f"{name}.yaml").write_text(text.replace("FILE", str(data)))
    return tmp_path


def _measure(tasks: Path, name: str, kind: str, arguments: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Return the metrics of a task and, for each row, what the model answered."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    found = simple_evaluate(
        model=kind, model_args=arguments, tasks=[name], task_manager=manager, bootstrap_iters=0, batch_size=4
    )
    assert found is not None
    rows = sorted(found["samples"][name], key=lambda row: int(row["doc_id"]))
    return found["results"][name], [row["filtered_resps"] for row in rows]


def _over_http(service: Service, tasks: Path, name: str, **more: Any) -> tuple[dict[str, Any], list[Any]]:
    url = f"{service.url}/v1/completions"
    return _measure(tasks, name, "local-completions", {"base_url": url, "model": "keeper", "max_retries": 1, **more})


def _in_process(bundle: Bundle, tasks: Path, name: str) -> tuple[dict[str, Any], list[Any]]:
    arguments = {"pretrained": str(bundle.model_folder), "dtype": "float32", "device": "cpu"}
    return _measure(tasks, name, "hf", arguments)


def test_accuracy_and_likelihoods_are_those_of_the_same_weights_in_process(
    served: Service, merged: Bundle, tasks: Path
) -> None:
    metrics, rows = _over_http(served, tasks, "rooms")
    expected, here = _in_process(merged, tasks, "rooms")
    assert metrics["acc,none"] == expected["acc,none"]
    assert len(rows) == 20
    for row, same in zip(rows, here, strict=True):
        for (value, greedy), (expected_value, expected_greedy) in zip(row, same, strict=True):
            assert math.isclose(float(value), float(expected_value), rel_tol=1e-3, abs_tol=1e-3)
            assert greedy == expected_greedy


def test_a_local_tokenizer_gives_the_same_likelihoods_as_the_remote_one(
    served: Service, merged: Bundle, tasks: Path
) -> None:
    _, remote = _over_http(served, tasks, "rooms")
    folder = str(merged.model_folder)
    _, local = _over_http(served, tasks, "rooms", tokenizer_backend="huggingface", tokenizer=folder)
    assert local == remote


def test_generated_text_is_that_of_the_same_weights_in_process(served: Service, merged: Bundle, tasks: Path) -> None:
    _, rows = _over_http(served, tasks, "answers")
    _, here = _in_process(merged, tasks, "answers")
    assert rows == here
    assert any(text for row in rows for text in row)
