"""`train` from Python: a typed result, events to a callback, nothing printed, and errors that say how to continue."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.bundle.store import Store
from kit.bundle.verify import verify_files
from kit.errors import Exit, InputError, Interrupted
from kit.train.events import Evaluated, PhaseStarted, Planned, Stepped
from kit.train.job import Stopped
from kit.workflows import Note, TrainResult, explain_step, list_runs, plan_train, train
from tests.kit.cli.conftest import with_training
from tests.kit.toy import make_toy
from tests.kit.workflows.output import written_to


@dataclass(frozen=True)
class Trained:
    project: Path
    result: TrainResult
    events: list[object]
    interruptions: list[Exception]
    written: str


def in_a_notebook(cell: Callable[[], TrainResult]) -> TrainResult:
    """Call it as a notebook does: inside an event loop that leaves Ctrl-C to Python."""

    async def run() -> TrainResult:
        return cell()

    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(run())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A project trained in a notebook, interrupted once in a step and once while its bundle was built."""
    project = with_training(make_toy(tmp_path_factory.mktemp("api") / "toy"))
    events: list[object] = []
    stops = {Stepped: signal.SIGINT, PhaseStarted: signal.SIGINT}
    interruptions: list[Exception] = []

    def report(event: object) -> None:
        events.append(event)
        building = isinstance(event, PhaseStarted) and event.what.startswith("Sealing")
        if (isinstance(event, Stepped) or building) and type(event) in stops:
            signal.raise_signal(stops.pop(type(event)))

    file = project.parent / "written.txt"
    with written_to(file):
        for expected in (Stopped, Interrupted):
            with pytest.raises(expected) as stopped:
                in_a_notebook(lambda: train(project, resume=bool(interruptions), threads=1, report=report))
            interruptions.append(stopped.value)
        result = in_a_notebook(lambda: train(str(project), resume=True, threads=1, report=report))
    return Trained(project, result, events, interruptions, file.read_text())


def test_the_result_names_a_bundle_that_verifies_and_the_run_behind_it(made: Trained) -> None:
    bundle = Store(made.project).get(made.result.bundle)
    verify_files(bundle)
    assert made.result.path == bundle.folder
    report = json.loads((made.result.run_folder / "report.json").read_text())
    for name in ("run", "step", "score", "scores", "validation_loss", "tokens", "bundle"):
        assert report[name] == getattr(made.result, name)
    assert made.result.score == made.result.scores["accuracy"]
    assert made.result.history[0].step == 0
    assert made.result.not_as_asked == ""


def test_events_go_to_the_callback_and_nothing_is_written(made: Trained) -> None:
    kinds = {type(event) for event in made.events}
    assert {Note, PhaseStarted, Planned, Stepped, Evaluated} <= kinds
    steps = [event.step for event in made.events if isinstance(event, Stepped)]
    assert steps == sorted(set(steps))
    assert made.written == ""


def test_an_interruption_is_a_typed_error_that_says_how_to_continue(made: Trained) -> None:
    for error in made.interruptions:
        assert isinstance(error, Stopped | Interrupted)
        assert error.code == Exit.INTERRUPTED
        assert "kit train --resume" in str(error)
    (run,) = list_runs(made.project)
    assert (run.run, run.state, run.bundle) == (made.result.run, "finished", made.result.bundle)


def test_a_step_is_explained_by_its_rows(made: Trained) -> None:
    found = explain_step(made.project / "data", step=2, run=made.result.run)
    assert (found.run, found.step.step, found.unread) == (made.result.run, 2, None)
    assert len(found.rows) == 6
    for row in found.rows:
        assert row.place is not None
        file, _, number = row.place.rpartition(":")
        example = json.loads(Path(file).read_text().splitlines()[int(number) - 1])
        assert example["id"] == row.suspect.example
        assert row.text is not None
        assert row.text.endswith(f"→ {example['response']['label']}")


def test_a_plan_counts_and_trains_nothing(made: Trained) -> None:
    runs = sorted((made.project / "runs").iterdir())
    plan = plan_train(made.project, price_per_hour=36.0)
    assert plan.numbers["steps"] == made.result.history[-1].step
    assert plan.shares == {"toy": 1.0}
    assert plan.estimate.basis == "measured"
    assert plan.estimate.cost == pytest.approx((plan.estimate.seconds or 0.0) / 100)
    assert sorted((made.project / "runs").iterdir()) == runs


def test_input_that_is_wrong_is_refused_before_a_run_is_made(tmp_path: Path) -> None:
    project = make_toy(tmp_path / "toy")
    with pytest.raises(InputError, match="Did you mean 'short'"):
        train(project, profile="shrot")
    with pytest.raises(InputError, match=r"No recipe\.yaml here"):
        train(tmp_path)
    assert not (project / "runs").exists()
