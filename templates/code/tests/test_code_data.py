"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from code_parts import module  # type: ignore[import-not-found]

from kit.task import Example

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
KINDS = ("line", "cursor", "lines", "span", "rest")


def whole(row: Example[Any, Any]) -> str:
    """The file of a row, without a gap."""
    return f"{row.request.prefix}{row.response.completion}{row.request.suffix}"


def by_hand(row: Example[Any, Any]) -> bool:
    """Whether a row was written by hand."""
    return "hard" in row.tags


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    assert len(examples["train"]) >= 500
    assert sum(not by_hand(row) for row in examples["test"]) >= 150
    hard = [row for row in examples["test"] if by_hand(row)]
    assert len(hard) >= 40
    assert all(any(tag.startswith("hard:") for tag in row.tags) for row in hard)
    assert len({tag for row in hard for tag in row.tags if tag.startswith("hard:")}) >= 15


def test_no_gap_and_no_file_is_on_both_sides(examples: Examples) -> None:
    keys: list[Callable[[Any], Any]] = [*map(operator.attrgetter, ("group", "id", "request")), whole]
    for key in keys:
        assert not {key(row) for row in examples["train"]} & {key(row) for row in examples["test"]}


def test_no_file_is_in_two_groups(examples: Examples) -> None:
    for rows in examples.values():
        groups: dict[str, set[str]] = {}
        for row in rows:
            groups.setdefault(whole(row), set()).add(row.group)
        shared = [each for each in groups.values() if len(each) > 1]
        assert len(shared) < 0.03 * len(groups)


def test_no_test_file_is_nearly_a_training_file(examples: Examples) -> None:
    def words(row: Example[Any, Any]) -> frozenset[tuple[str, ...]]:
        found = re.findall(r"\w+", whole(row))
        return frozenset(zip(found, found[1:], found[2:], strict=False))

    trained = {words(row) for row in examples["train"]}
    for row in examples["test"]:
        mine = words(row)
        nearest = max(len(mine & other) / len(mine | other) for other in trained)
        assert nearest < 0.7, row.id


def test_test_programs_are_about_things_and_fields_that_training_never_names(examples: Examples) -> None:
    pools = tomllib.loads((PROJECT / "entities.toml").read_text(encoding="utf-8"))
    words = {word for entity in pools["unseen"] for word in entity}
    words |= {word for fields in pools["fields"]["unseen"].values() for word in fields}
    trained = {word for row in examples["train"] for word in re.findall(r"[A-Za-z]+", whole(row).lower())}
    assert not words & trained
    for row in examples["test"]:
        assert by_hand(row) or any(word in whole(row).lower() for word in words), row.id


def test_some_test_programs_have_shapes_and_wordings_of_their_own(examples: Examples) -> None:
    for tag, least in (("unseen_shape", 30), ("unseen_wording", 60)):
        assert sum(tag in row.tags for row in examples["test"]) >= least
        assert not any(tag in row.tags for row in examples["train"])


def test_gaps_are_of_every_kind_and_both_orders(examples: Examples) -> None:
    for rows in examples.values():
        counts = Counter(tag for row in rows for tag in row.tags)
        assert all(counts[kind] >= 0.02 * len(rows) for kind in KINDS)
        assert 0.15 < sum(row.request.order == "spm" for row in rows) / len(rows) < 0.4
        assert any(not row.request.suffix for row in rows), "some gaps are at the end of the file"


def test_programs_vary(examples: Examples) -> None:
    rows = examples["train"]
    files = {whole(row) for row in rows}
    assert len(files) > 0.45 * len(rows)
    words = [re.findall(r"\w+", text) for text in files]
    threes = [three for each in words for three in zip(each, each[1:], each[2:], strict=False)]
    assert len(set(threes)) / len(threes) > 0.25
    assert len({row.response.completion.strip() for row in rows}) > 0.6 * len(rows)
    shapes = Counter(tag for row in rows for tag in row.tags if tag.startswith("shape:"))
    assert len(shapes) >= 30
    assert max(shapes.values()) < 0.1 * len(rows)


def test_no_program_holds_a_secret(examples: Examples) -> None:
    scan = module("scan").scan
    assert [row.id for row in examples["train"] + examples["test"] if scan(whole(row))] == []
