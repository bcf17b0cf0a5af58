"""`split_data`: whole groups move between the files, each label keeps its share, and no row is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.errors import InputError
from kit.workflows import plan_split_data, split_data
from tests.kit.toy import lines, make_toy, row

FILES = ("train", "validation", "test")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Two hundred examples of a hundred groups to train on, of which every fifth group complains; a validation file."""
    root = make_toy(tmp_path / "toy")
    rows = []
    for number in range(200):
        label = "complaint" if number // 2 % 5 == 0 else "praise"
        rows.append(row("train", number, response={"label": label}, request={"text": f"sentence {number}"}))
    (root / "data" / "train.jsonl").write_text(lines(rows))
    (root / "data" / "test.jsonl").unlink()
    recipe = yaml.safe_load((root / "recipe.yaml").read_text())
    (root / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "data": {"validation": "data/validation.jsonl"}}))
    return root


def rows_of(root: Path) -> dict[str, list[dict[str, Any]]]:
    files = {name: root / "data" / f"{name}.jsonl" for name in FILES}
    return {
        name: [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        for name, file in files.items()
    }


def groups_of(root: Path) -> dict[str, set[str]]:
    return {name: {each["group"] for each in rows} for name, rows in rows_of(root).items()}


def test_each_part_gets_its_share_of_each_label_and_whole_groups(toy: Path) -> None:
    done = split_data(toy, validation=0.1, test=0.2)
    groups, rows = groups_of(toy), rows_of(toy)
    assert {name: len(found) for name, found in groups.items()} == {"train": 70, "validation": 10, "test": 20}
    assert len(set.union(*groups.values())) == 100
    labels = {name: Counter(each["response"]["label"] for each in found) for name, found in rows.items()}
    assert labels["test"] == {"praise": 32, "complaint": 8}
    assert labels["validation"] == {"praise": 16, "complaint": 4}
    assert {move.target.name: move.examples for move in done.moves} == {"test.jsonl": 40, "validation.jsonl": 20}


def test_a_second_split_moves_nothing_and_new_rows_never_move_a_tested_group(toy: Path) -> None:
    split_data(toy)
    before, contents = groups_of(toy), {name: (toy / "data" / f"{name}.jsonl").read_bytes() for name in FILES}
    assert split_data(toy).moves == ()
    assert {name: (toy / "data" / f"{name}.jsonl").read_bytes() for name in FILES} == contents
    late = [row("late", number, request={"text": f"late sentence {number}"}) for number in range(100)]
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write(lines(late))
    split_data(toy)
    after = groups_of(toy)
    assert before["test"] < after["test"]
    assert before["validation"] < after["validation"]
    assert not after["test"] & before["train"] - before["train"]


def test_a_group_in_two_files_goes_to_the_one_that_tests(toy: Path) -> None:
    split_data(toy)
    stray = row("stray", 0, group=sorted(groups_of(toy)["test"])[0], request={"text": "one more of this group"})
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write(lines([stray]))
    split_data(toy)
    groups = groups_of(toy)
    assert not groups["train"] & groups["test"]
    assert stray["id"] in {each["id"] for each in rows_of(toy)["test"]}


def test_lines_are_moved_to_the_byte(toy: Path) -> None:
    file = toy / "data" / "train.jsonl"
    odd = [line.replace('"id"', ' "weight": 1.0,   "id"') for line in file.read_text().splitlines()]
    file.write_text("".join(f"{line}\n" for line in odd))
    split_data(toy)
    found = [line for name in FILES for line in (toy / "data" / f"{name}.jsonl").read_text().splitlines()]
    assert sorted(found) == sorted(odd)


def test_files_that_are_named_are_split_anew_and_the_others_are_kept_or_dropped(toy: Path) -> None:
    (toy / "data" / "test.jsonl").write_text(lines([row("old", 1)]))
    plan = plan_split_data(toy, files=[toy / "data" / "train.jsonl"], validation=0)
    assert "old-1" in plan.files[2].content.decode()
    assert plan.dropped == 0
    done = split_data(toy, files=[toy / "data" / "train.jsonl"], validation=0, replace=True)
    assert done.dropped == 1
    assert "old-1" not in {each["id"] for each in rows_of(toy)["test"]}


def test_a_file_of_another_place_is_split_into_the_projects_files_and_stays_as_it_is(toy: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text(lines(row("more", number, request={"text": f"more {number}"}) for number in range(20)))
    before = file.read_bytes()
    split_data(toy, files=[file], validation=0, test=0.3)
    assert file.read_bytes() == before
    assert sum(name.startswith("more") for name in groups_of(toy)["test"]) >= 3
    split_data(toy, files=[file], validation=0, test=0.3)  # again: every row is there once
    every = [each["id"] for found in rows_of(toy).values() for each in found]
    assert len(every) == len(set(every)) == 220


def test_a_split_that_is_interrupted_leaves_the_old_files(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split_data(toy, validation=0.05, test=0.1)
    before = {name: (toy / "data" / f"{name}.jsonl").read_bytes() for name in FILES}
    replace, calls = Path.replace, list[Path]()

    def stop_at_the_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        split_data(toy, validation=0.2, test=0.3)
    monkeypatch.undo()
    assert {name: (toy / "data" / f"{name}.jsonl").read_bytes() for name in FILES} == before
    assert {path.name for path in (toy / "data").iterdir()} == {f"{name}.jsonl" for name in FILES}
    split_data(toy, validation=0.2, test=0.3)
    assert len(groups_of(toy)["test"]) == 30


def test_a_machine_that_fails_between_two_files_loses_no_row_and_the_same_split_follows(
    toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = toy / "data" / "train.jsonl", toy / "data" / "test.jsonl"
    every = file.read_text().splitlines(keepends=True)
    file.write_text("".join(every[100:]))
    other.write_text("".join(every[:100]))
    replace, states = Path.replace, list[dict[Path, bytes]]()

    def note(self: Path, target: Path) -> Path:
        done = replace(self, target)
        states.append({path: path.read_bytes() for path in (file, other)})
        return done

    monkeypatch.setattr(Path, "replace", note)
    split_data(toy, files=[file, other], validation=0, test=0.3)  # groups move both ways
    monkeypatch.undo()
    after = groups_of(toy)
    assert len(states) == 4
    for state in states:
        assert b"".join(every_line(state)) == "".join(sorted(every)).encode()
        for path, content in state.items():
            path.write_bytes(content)
        split_data(toy, files=[file, other], validation=0, test=0.3)
        assert groups_of(toy) == after
        assert sum(map(len, rows_of(toy).values())) == 200


def every_line(state: dict[Path, bytes]) -> list[bytes]:
    """The different lines of all files."""
    return sorted({line for content in state.values() for line in content.splitlines(keepends=True)})


def test_a_tested_row_that_a_failure_left_in_two_files_stays_a_tested_one(toy: Path) -> None:
    split_data(toy, validation=0, test=0.2)
    tested = (toy / "data" / "test.jsonl").read_text()
    with (toy / "data" / "train.jsonl").open("a") as stream:
        stream.write(tested)
    split_data(toy, validation=0, test=0.1)
    assert (toy / "data" / "test.jsonl").read_text() == tested
    assert len(rows_of(toy)["train"]) == 160


def test_a_file_that_a_split_emptied_can_be_split_again(toy: Path) -> None:
    split_data(toy)
    files = [toy / "data" / f"{name}.jsonl" for name in FILES]
    split_data(toy, files=files, validation=0)
    assert files[1].read_bytes() == b""
    assert split_data(toy, files=files, validation=0).moves == ()
    moved = [file.rename(file.with_suffix(".old")) for file in files[:1]]
    with pytest.raises(InputError, match=r"train\.jsonl: There is no such data file\. .*--from FILE"):
        split_data(toy)
    moved[0].rename(files[0])
    for file in files:
        file.write_bytes(b"")
    with pytest.raises(InputError, match="There are no examples in these files"):
        split_data(toy)


def test_a_file_that_is_linked_or_private_stays_so(toy: Path, tmp_path: Path) -> None:
    file, home = toy / "data" / "train.jsonl", tmp_path / "elsewhere.jsonl"
    file.rename(home)
    home.chmod(0o600)
    file.symlink_to(home)
    split_data(toy)
    assert file.is_symlink()
    assert home.stat().st_mode & 0o777 == 0o600
    assert len(rows_of(toy)["train"]) == 140


def test_what_was_augmented_stays_in_training_with_its_group(toy: Path) -> None:
    rows = [row("train", number, request={"text": f"s {number}"}) for number in range(40)]
    made = [
        {**each, "id": f"{each['id']}~x", "request": {"text": f"t {each['id']}"}, "provenance": {"augmented": "rules"}}
        for each in rows[:20]
    ]
    (toy / "data" / "train.jsonl").write_text(lines([*rows, *made]))
    split_data(toy, validation=0, test=0.4)
    assert groups_of(toy)["test"] <= {each["group"] for each in rows[20:]}
    assert len(groups_of(toy)["test"]) == 8


def test_shares_that_cannot_hold_are_refused_together(tmp_path: Path) -> None:
    toy = make_toy(tmp_path / "plain")
    with pytest.raises(InputError) as caught:
        split_data(toy, validation=0.5, test=1.5)
    assert [problem.where for problem in caught.value.problems] == ["--test", "--validation"]
    with pytest.raises(InputError, match="There is no such data file"):
        split_data(toy, files=["nowhere.jsonl"])
    split_data(toy)  # without a validation file, the default asks for none
    assert not (toy / "data" / "validation.jsonl").exists()
