"""`kit data import`: a public set through the project's own importer, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.project.project import Project
from kit.workflows.steps.training.data import gather
from tests.kit.cli.conftest import Run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty sentences of twenty groups, two each."""
    file = tmp_path / "set.tsv"
    file.write_text(
        "".join(
            f"{'praise' if number % 2 else 'complaint'}\tgroup{number // 2} says {number}\n" for number in range(40)
        )
    )
    return file


def groups(file: Path) -> set[str]:
    return {json.loads(line)["group"] for line in file.read_text().splitlines()}


def test_a_set_is_split_by_group_and_every_example_is_written_once(toy: Path, run: Run, source: Path) -> None:
    ran = run("data", "import", "lines", source, "--test-share", "0.5", "--json", cwd=toy)
    assert ran.code == 0
    train, test = toy / "data" / "lines-train.jsonl", toy / "data" / "lines-test.jsonl"
    assert groups(train) | groups(test) == {f"group{number}" for number in range(20)}
    assert groups(train) & groups(test) == set()
    assert ran.json["train"]["examples"] + ran.json["test"]["examples"] == 40
    assert ran.json["train"]["examples"] == len(train.read_text().splitlines())


def test_a_number_of_groups_trains_and_all_others_test(toy: Path, run: Run, source: Path) -> None:
    assert run("data", "import", "lines", source, "--groups", "15", cwd=toy).code == 0
    assert len(groups(toy / "data" / "lines-train.jsonl")) == 15
    assert len(groups(toy / "data" / "lines-test.jsonl")) == 5


def test_rows_added_later_never_move_an_old_one(toy: Path, run: Run, source: Path) -> None:
    run("data", "import", "lines", source, "--test-share", "0.5", cwd=toy)
    test = toy / "data" / "lines-test.jsonl"
    before = groups(test)
    source.write_text(source.read_text() + "".join(f"praise\tlate{number} says it\n" for number in range(20)))
    assert run("data", "import", "lines", source, "--test-share", "0.5", "--replace", cwd=toy).code == 0
    assert {name for name in groups(test) if not name.startswith("late")} == before


def test_a_group_that_was_tested_once_stays_tested_when_a_lower_hash_arrives(toy: Path, run: Run, source: Path) -> None:
    """Of few groups none may hash below the share; then the lowest one tests, until a lower one is added."""
    source.write_text("".join(f"praise\tgroup{number} says it\n" for number in (0, 1, 2)))
    assert run("data", "import", "lines", source, "--test-share", "0.001", cwd=toy).code == 0
    test = toy / "data" / "lines-test.jsonl"
    before = groups(test)
    assert len(before) == 1
    source.write_text(source.read_text() + "".join(f"praise\tlate{number} says it\n" for number in range(40)))
    ran = run("data", "import", "lines", source, "--test-share", "0.001", "--replace", "--json", cwd=toy)
    assert before <= groups(test)
    assert ran.json["stayed"] == 1
    assert before & groups(toy / "data" / "lines-train.jsonl") == set()


@pytest.mark.parametrize("count", [20, 60, 10_000])
def test_what_was_imported_at_the_defaults_is_checked_and_trained_at_the_defaults(
    toy: Path, run: Run, source: Path, count: int
) -> None:
    source.write_text(
        "".join(
            f"{'praise' if number % 2 else 'complaint'}\tgroup{number} came {number} times, then {number * 7}\n"
            for number in range(count)
        )
    )
    assert run("data", "import", "lines", source, cwd=toy).code == 0
    recipe = toy / "recipe.yaml"
    files = "data: {train: data/lines-train.jsonl, test: data/lines-test.jsonl}\ntrain:\n  max"
    recipe.write_text(recipe.read_text().replace("train:\n  max", files))
    ran = run("check", "--json", cwd=toy)
    assert ran.code == 0, ran.out
    project = Project(toy)
    data = gather(project, project.recipe(), project.renderer(project.recipe()))
    assert data.rows
    assert data.validation
    assert len({row.group for row in [*data.rows, *data.validation]}) <= count * 0.9


def test_a_setting_reaches_the_importer_and_an_unknown_one_gets_the_near_miss(
    toy: Path, run: Run, source: Path
) -> None:
    assert run("data", "import", "lines", source, "--set", "language=cs", cwd=toy).code == 0
    first = json.loads((toy / "data" / "lines-train.jsonl").read_text().splitlines()[0])
    assert first["request"]["language"] == "cs"
    ran = run("data", "import", "lines", source, "--set", "langage=cs", "--replace", cwd=toy)
    assert ran.code == 2
    assert "Did you mean 'language'?" in ran.err


def test_what_was_imported_before_is_overwritten_only_when_asked(toy: Path, run: Run, source: Path) -> None:
    run("data", "import", "lines", source, "--groups", "15", cwd=toy)
    old = (toy / "data" / "lines-train.jsonl").read_text()
    ran = run("data", "import", "lines", source, "--groups", "3", cwd=toy)
    assert ran.code == 2
    assert ran.err.count("is not overwritten") == 2
    assert (toy / "data" / "lines-train.jsonl").read_text() == old


def test_examples_that_are_not_valid_are_all_told_and_nothing_is_written(toy: Path, run: Run, source: Path) -> None:
    before = sorted((toy / "data").iterdir())
    source.write_text("praise\tone\nprase\ttwo\npraise\tthree\ncomplain\tfour\n")
    ran = run("data", "import", "lines", source, cwd=toy)
    assert ran.code == 2
    assert [line.split(":")[0] for line in ran.err.splitlines()] == [
        "line-1.response.label",
        "line-3.response.label",
    ]
    assert sorted((toy / "data").iterdir()) == before


def test_a_dry_run_counts_and_writes_nothing(toy: Path, run: Run, source: Path) -> None:
    before = sorted((toy / "data").iterdir())
    ran = run("data", "import", "lines", source, "--groups", "15", "--dry-run", cwd=toy)
    assert ran.code == 0
    assert "data/lines-train.jsonl: 30 examples of 15 groups" in ran.out
    assert sorted((toy / "data").iterdir()) == before


def test_a_split_that_leaves_nothing_to_test_on_is_refused(toy: Path, run: Run, source: Path) -> None:
    ran = run("data", "import", "lines", source, "--groups", "20", cwd=toy)
    assert ran.code == 2
    assert "No example would be left for testing." in ran.err


def test_an_unknown_importer_gets_the_near_miss_and_the_known_ones_are_listed(
    toy: Path, run: Run, source: Path
) -> None:
    ran = run("data", "import", "line", source, cwd=toy)
    assert ran.code == 2
    assert "Did you mean 'lines'?" in ran.err
    assert "One sentence a line, the label before a tab." in run("data", "import", "--list", cwd=toy).out


def test_a_source_that_is_not_there_is_the_users_mistake(toy: Path, run: Run) -> None:
    ran = run("data", "import", "lines", "nowhere.tsv", cwd=toy)
    assert ran.code == 2
    assert "nowhere.tsv" in ran.err
