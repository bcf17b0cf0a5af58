"""Rows share prefixes only where the result is exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.base import NANO, Base, find_base
from kit.train.events import Event
from kit.train.loop import train
from kit.train.plan.sharing import sharing
from tests.kit.train.forests import contract_rows
from tests.kit.train.parts import job, planned_of, section

ROWS = contract_rows(1, 2)  # of 64 tokens


def base_with(folder: Path, **changes: Any) -> Base:
    """nano's configuration with changes."""
    config = json.loads((NANO / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return find_base(str(folder))


def test_rows_share_prefixes_unless_there_is_an_objection() -> None:
    assert sharing(find_base("nano"), section(), ROWS).on


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model_type": "qwen3_moe"}, "the architecture qwen3_moe is not known"),
        ({"model_type": "qwen3_5_text"}, "the architecture qwen3_5_text is not known"),
        ({"attention_dropout": 0.1}, "attention_dropout 0.1"),
        ({"sliding_window": 32, "use_sliding_window": True}, "slides over 32 tokens, and a row has 64"),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "type dynamic depend on the length"),
        ({"rope_parameters": None, "rope_scaling": {"type": "longrope"}}, "type longrope"),
        ({"rope_parameters": {"full_attention": {"rope_type": "dynamic"}}}, "type dynamic"),
    ],
)
def test_rows_do_not_share_on_a_base_that_would_not_be_exact(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    found = sharing(base_with(tmp_path, **changes), section(), ROWS)
    assert not found.on
    assert reason in found.why_not


@pytest.mark.parametrize(
    "changes",
    [
        {"sliding_window": 64, "use_sliding_window": True},
        {"sliding_window": 32, "use_sliding_window": False},
        {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}},
    ],
)
def test_a_setting_without_effect_on_these_rows_is_no_objection(changes: dict[str, Any], tmp_path: Path) -> None:
    assert sharing(base_with(tmp_path, **changes), section(), ROWS).on


def test_dropout_other_methods_and_the_recipe_turn_sharing_off() -> None:
    nano = find_base("nano")
    assert "dropout" in sharing(nano, section(lora={"rank": 8, "dropout": 0.1}), ROWS).why_not
    assert "the method prompt" in sharing(nano, section(method="prompt"), ROWS).why_not
    assert "train.trees is off" in sharing(nano, section(trees="off"), ROWS).why_not
    assert "mps" in sharing(nano, section(), ROWS, device="mps").why_not


@pytest.mark.parametrize(
    ("trees", "attention"), [("auto", "two-part flash"), ("off", "padded rows, no shared prefixes: train.trees is off")]
)
def test_a_run_reports_how_much_its_rows_share_and_its_attention(trees: str, attention: str, tmp_path: Path) -> None:
    events: list[Event] = []
    rows = contract_rows(1, 8)
    train(job(tmp_path, rows=rows, train=section(trees=trees, batch_rows=8)), None, events.append)
    planned = planned_of(events)
    assert attention in planned.attention
    assert (planned.computed, planned.saved) == ((176, 336) if trees == "auto" else (512, 0))
    line = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])
    assert (line["computed"], line["saved"], line["attention"]) == (planned.computed, planned.saved, planned.attention)
