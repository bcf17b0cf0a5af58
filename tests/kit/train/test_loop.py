"""The training loop: it learns, reports and saves, publishes the best checkpoint, and stops a broken run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from kit.base import Base, find_base
from kit.data.rows import Row
from kit.train.events import Evaluated, Event, PhaseStarted, Planned, Saved, Stepped
from kit.train.job import RunBroke, StepEvaluation, Trained
from kit.train.loop import train
from kit.train.model.loading import load_model
from kit.train.report.measure import best_of
from kit.train.state.conditions import physical_cores
from tests.kit.bases import copy_nano, overflow_on
from tests.kit.train.parts import copy_rows, job, planned_of, section


def silent(_: Event) -> None:
    """Report nothing."""


def scores(*values: float | None) -> Any:
    """A scorer that returns these values, one per evaluation."""
    left = iter(values)
    return lambda model: {"score": next(left)}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, list[Event], Path]:
    folder, events = tmp_path_factory.mktemp("learned"), list[Event]()
    train_long = section(epochs=5, batch_rows=8, learning_rate=5e-3, evaluations=3)
    return train(job(folder, train=train_long), None, events.append), events, folder


def test_validation_loss_falls_on_something_that_can_be_learned(learned: tuple[Trained, list[Event], Path]) -> None:
    trained, _, _ = learned
    base, *_, last = [made.validation_loss for made in trained.history]
    assert base is not None
    assert last is not None
    assert last < 0.7 * base


def test_the_adapter_attaches_to_the_base_under_its_portable_name(learned: tuple[Trained, list[Event], Path]) -> None:
    trained, _, _ = learned
    assert {file.name for file in trained.adapter.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((trained.adapter / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"], config["inference_mode"]) == ("nano", 8, True)
    state = load_file(trained.adapter / "adapter_model.safetensors")
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    base = load_model(find_base("nano"), "float32", torch.device("cpu"))
    ids = torch.tensor([[120, 130, 110, 125]])
    with torch.no_grad():
        before = base(input_ids=ids).logits
        after = PeftModel.from_pretrained(base, trained.adapter)(input_ids=ids).logits
    assert not torch.allclose(before, after, atol=0.1)


def test_events_are_reported_and_written_line_by_line(learned: tuple[Trained, list[Event], Path]) -> None:
    trained, events, folder = learned
    planned, steps = planned_of(events), [event for event in events if isinstance(event, Stepped)]
    assert [step.step for step in steps] == list(range(1, planned.steps + 1))
    assert steps[-1].seconds_left == 0.0
    assert all(step.tokens_per_second > step.supervised_per_second > 0 for step in steps)
    assert [event.step for event in events if isinstance(event, Evaluated)] == [0, 5, 10, 15]
    assert [event.step for event in events if isinstance(event, Saved)] == [5, 10, 15]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    facts = [event for event in events if not isinstance(event, PhaseStarted)]
    assert [line["event"] for line in lines] == [type(event).__name__.lower() for event in facts]
    assert [event.what.split()[0] for event in events[:3] if isinstance(event, PhaseStarted)] == [
        *("Loading", "Attaching", "Measuring")
    ]
    assert trained.tokens == planned.tokens


def test_only_the_last_and_the_best_checkpoint_are_kept(learned: tuple[Trained, list[Event], Path]) -> None:
    trained, _, folder = learned
    kept = {path.name for path in (folder / "checkpoints").glob("step-*")}
    assert kept == {f"step-{trained.step:06d}", "step-000015"}


def test_the_checkpoint_with_the_best_score_is_published_and_not_the_last(tmp_path: Path) -> None:
    events: list[Event] = []
    trained = train(job(tmp_path, metric="score"), scores(0.9, 0.2), events.append)
    assert (trained.step, trained.score) == (3, 0.9)
    assert trained.adapter == tmp_path / "checkpoints/step-000003/adapter"
    assert [event.best for event in events if isinstance(event, Evaluated)] == [False, True, False]


def test_a_metric_where_lower_is_better_chooses_the_lowest(tmp_path: Path) -> None:
    trained = train(job(tmp_path, metric="score", higher_is_better=False), scores(0.9, 0.2), silent)
    assert (trained.step, trained.score) == (6, 0.2)


def test_without_a_measured_score_the_validation_loss_decides(tmp_path: Path) -> None:
    trained = train(job(tmp_path, metric="score"), scores(None, float("nan")), silent)
    measured = [made for made in trained.history if made.step]
    assert trained.score is None
    assert trained.validation_loss == min(made.validation_loss or 0.0 for made in measured)


def test_a_measured_score_is_preferred_to_one_that_was_not() -> None:
    history = [StepEvaluation(0, 9.0), StepEvaluation(1, 1.0), StepEvaluation(2, 5.0, 0.3), StepEvaluation(3, 4.0, 0.3)]
    assert best_of(history) == history[3]
    assert best_of(history[:2]) == history[1]
    assert best_of(history[:1]) is None


def test_a_scorer_that_draws_random_numbers_does_not_change_the_run(tmp_path: Path) -> None:
    dropout = section(lora={"rank": 8, "dropout": 0.2})

    def drawing(model: torch.nn.Module) -> dict[str, float]:
        assert not model.training
        torch.set_num_threads(2)
        return {"score": float(torch.rand(()))}

    plain = train(job(tmp_path / "plain", train=dropout), None, silent)
    drawn = train(job(tmp_path / "drawn", train=dropout), drawing, silent)
    files = [trained.adapter / "adapter_model.safetensors" for trained in (plain, drawn)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_max_minutes_shorten_the_plan_and_resuming_keeps_its_length(tmp_path: Path) -> None:
    events: list[Event] = []
    short = job(tmp_path, train=section(max_minutes=1e-6))
    train(short, None, events.append)
    train(replace(short, resume=True), None, events.append)
    assert [event.steps for event in events if isinstance(event, Planned)] == [1, 1]


def test_a_generous_max_minutes_changes_nothing(tmp_path: Path) -> None:
    dropout = {"rank": 8, "dropout": 0.2}
    limited = train(job(tmp_path / "limited", train=section(lora=dropout, max_minutes=60)), None, silent)
    free = train(job(tmp_path / "free", train=section(lora=dropout)), None, silent)
    files = [trained.adapter / "adapter_model.safetensors" for trained in (limited, free)]
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.fixture
def poisoned(tmp_path: Path) -> Base:
    """nano with one token that overflows."""
    folder = copy_nano(tmp_path / "poisoned")
    overflow_on(folder, 4000)
    return find_base(str(folder))


def test_a_loss_that_is_not_finite_stops_the_run_and_names_step_and_row(poisoned: Base, tmp_path: Path) -> None:
    rows = [*copy_rows(11), Row("poison", "g", (110, 4000, 120, 130, 2), 3)]
    events: list[Event] = []
    with pytest.raises(RunBroke, match=r"Step \d: the loss is nan; its worst rows: 'poison' \(loss nan\)\.") as error:
        train(job(tmp_path / "run", rows=rows, base=poisoned), None, events.append)
    step = int(str(error.value).split(":")[0].removeprefix("Step "))
    assert [event.step for event in events if isinstance(event, Stepped)] == list(range(1, step))
    saved = {path.name for path in (tmp_path / "run/checkpoints").glob("step-*")}
    assert f"step-{step:06d}" not in saved


def test_a_validation_loss_that_is_not_finite_stops_the_run(poisoned: Base, tmp_path: Path) -> None:
    validation = [Row("poison", "g", (110, 4000, 120, 130, 2), 3)]
    with pytest.raises(RunBroke, match="validation loss after step 0 is nan"):
        train(job(tmp_path / "run", base=poisoned, validation=validation), None, silent)


def test_an_adapter_that_stays_zero_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(RunBroke, match="all zero"):
        train(job(tmp_path, rows=copy_rows(4), train=section(learning_rate=1e-60)), None, silent)


def test_a_row_without_a_supervised_token_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    masked = [Row("nothing-to-learn", "g", (110, 111, 112), 3)]
    jobs = job(tmp_path / "run", rows=[*copy_rows(4), *masked]), job(tmp_path / "run", validation=masked)
    for each in jobs:
        with pytest.raises(RunBroke, match="'nothing-to-learn' has no supervised token"):
            train(each, None, silent)
    assert not (tmp_path / "run").exists()


def test_training_without_validation_rows_publishes_the_last_step(tmp_path: Path) -> None:
    trained = train(job(tmp_path, rows=copy_rows(8), validation=[]), None, silent)
    assert (trained.step, trained.validation_loss) == (2, None)


def test_a_run_in_float32_and_one_in_bfloat16_learn_the_same_within_rounding(tmp_path: Path) -> None:
    exact = train(job(tmp_path / "exact", dtype="float32"), None, silent)
    rounded = train(job(tmp_path / "rounded"), None, silent)
    assert exact.validation_loss == pytest.approx(rounded.validation_loss, rel=0.03)


def test_threads_are_restored_and_never_more_than_the_cores(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    events: list[Event] = []
    train(job(tmp_path, rows=copy_rows(4), threads=None), None, events.append)
    assert torch.get_num_threads() == before
    assert 1 <= planned_of(events).threads == physical_cores()


def test_openmps_own_variable_limits_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = physical_cores()
    for limit, expected in (("1", 1), ("1,2", 1), ("4096", cores), ("0", cores), ("many", cores), ("", cores)):
        monkeypatch.setenv("OMP_NUM_THREADS", limit)
        assert physical_cores() == expected


def test_a_run_builds_its_optimiser_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    class AdamW(torch.optim.AdamW):
        def __init__(self, *args: Any, **settings: Any) -> None:
            built.append("AdamW")
            super().__init__(*args, **settings)

    monkeypatch.setattr(torch.optim, "AdamW", AdamW)
    train(job(tmp_path, rows=copy_rows(4), train=section(max_minutes=60)), None, silent)
    assert built == ["AdamW"]
