"""A bench alternates with its peer, prints one JSON line at the end, and has figures in the docs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from bench import startup
from bench.__main__ import main
from bench.shared.harness import PAGE, alternate, bench_names, publish
from kit.errors import Unmeasured
from kit.evals.figures import read_figures


def test_runs_alternate_after_one_warm_up_run_of_each() -> None:
    order: list[str] = []

    def timed(name: str, *seconds: float) -> float:
        order.append(name)
        return [99.0, *seconds][order.count(name) - 1]

    found = alternate(lambda: timed("ours", 2, 3, 8), lambda: timed("theirs", 1, 1, 2), pairs=3)
    assert order == ["ours", "theirs", "ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (found.low, found.ratio, found.high) == (2.5, 3.0, 3.5)
    assert (found.ours, found.theirs, found.pairs) == (3, 1, 3)


def test_publish_updates_the_table_and_prints_one_json_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("<!-- figures:speed -->\nold\n<!-- /figures -->\n")
    figures: dict[str, dict[str, float | int | str]] = {
        "ours": {"ratio": 1.5, "unit": "s"},
        "other": {"mean": 2},
        "more": {"ratio": 2, "unit": "s"},
    }
    publish("speed", figures, page)
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert sorted(printed) == ["bench", "figures", "machine", "versions"]
    assert printed["figures"]["ours"]["ratio"] == 1.5
    lines = read_figures(page, "speed").splitlines()
    assert lines[:4] == ["| figure | ratio | unit |", "| --- | --- | --- |", "| ours | 1.5 | s |", "| more | 2 | s |"]
    assert lines[4:8] == ["", "| figure | mean |", "| --- | --- |", "| other | 2 |"]
    assert lines[-1].startswith("Measured on ")


@pytest.mark.parametrize("name", bench_names())
def test_every_bench_has_figures_in_the_docs_or_the_reason_for_none(name: str) -> None:
    page = getattr(importlib.import_module(f"bench.{name}"), "PAGE", PAGE)
    figures = read_figures(page, name)
    assert "Measured on " in figures or figures.startswith("Not measured: ")


def test_a_bench_that_cannot_run_gives_the_reason_and_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cannot() -> None:
        raise Unmeasured("There is no clock on this machine.")

    before = PAGE.read_text()
    monkeypatch.setattr(startup, "measure", cannot)
    assert main(["startup"]) == 3
    captured = capsys.readouterr()
    assert "There is no clock" in captured.err
    assert captured.out == ""
    assert PAGE.read_text() == before


def test_an_unknown_bench_is_wrong_input_with_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["startupp"]) == 2
    assert "Did you mean 'startup'?" in capsys.readouterr().err
    assert main([]) == 2
    assert "startup" in capsys.readouterr().err
