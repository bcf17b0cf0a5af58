"""What the examples hold. Change these with your own data."""

from __future__ import annotations

import json
import operator
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from finance_parts import PROJECT, perfect, scores  # type: ignore[import-not-found]

from kit.task import Example, Task

Rows = dict[str, list[Example[Any, Any]]]
HARD = {"negation", "opposite", "ambiguous", "inverse", "whole"}
HARD_TABLES = {"sign", "loss", "scale", "points", "periods", "two-measures", "unchanged", "halves", "years"}


def quarter(row: Example[Any, Any]) -> tuple[int, int]:
    number, year = re.fullmatch(r"Q(\d) (\d{4})", row.group).groups()  # type: ignore[union-attr]
    return int(year), int(number)


def made(rows: Sequence[Example[Any, Any]]) -> list[Example[Any, Any]]:
    return [row for row in rows if "hard" not in row.tags]


def grams(text: str, size: int = 3) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


@pytest.fixture(params=["news", "reports"])
def rows(request: pytest.FixtureRequest) -> Rows:
    found: Rows = request.getfixturevalue(request.param)
    return found


def test_the_generator_writes_the_same_bytes_again(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PROJECT, copy, ignore=shutil.ignore_patterns("data", "runs", "bundles", "__pycache__", ".*"))
    subprocess.run([sys.executable, "generate.py"], cwd=copy, check=True)
    for file in (copy / "data").iterdir():
        assert file.read_bytes() == (PROJECT / "data" / file.name).read_bytes(), file.name


def test_there_is_enough_to_learn_from_and_to_measure_with(rows: Rows) -> None:
    assert len(rows["train"]) >= 500
    assert len(made(rows["test"])) >= 150
    assert len(rows["test"]) - len(made(rows["test"])) >= 40


def test_hard_cases_are_tagged_with_their_kind(news: Rows, reports: Rows) -> None:
    for found, kinds in ((news, HARD), (reports, HARD_TABLES)):
        hard = Counter(
            tag.removeprefix("hard:") for row in found["test"] for tag in row.tags if tag.startswith("hard:")
        )
        assert set(hard) >= kinds
        assert min(hard.values()) >= 3
        assert not any("hard" in row.tags for row in found["train"])


def test_every_test_quarter_is_later_than_every_training_quarter(rows: Rows) -> None:
    assert max(map(quarter, rows["train"])) < min(map(quarter, made(rows["test"])))
    assert len({row.group for row in made(rows["test"])}) >= 10


def test_nothing_is_on_both_sides(rows: Rows) -> None:
    for key in map(operator.attrgetter, ("group", "id", "request")):
        assert not {str(key(row)) for row in rows["train"]} & {str(key(row)) for row in rows["test"]}


def test_no_test_text_is_nearly_a_training_text(news: Rows) -> None:
    train = [grams(row.request.text) for row in news["train"]]
    for row in news["test"]:
        own = grams(row.request.text)
        assert all(len(own & other) <= 0.5 * len(own | other) for other in train), row.request.text


def test_texts_are_varied(news: Rows, reports: Rows) -> None:
    for texts in (
        [row.request.text for row in news["train"]],
        [row.request.text for row in news["test"]],
        [row.response.text for row in reports["train"]],
    ):
        every = [gram for text in texts for gram in grams(text)]
        assert len(set(every)) > 0.3 * len(every)
        assert len(set(texts)) == len(texts)


def test_companies_of_test_texts_are_not_those_of_training_texts(news: Rows) -> None:
    names = {split: {name for row in found for name in row.request.entities} for split, found in news.items()}
    assert not names["train"] & names["test"]
    assert len(names["train"]) > 200


def test_labels_are_balanced_and_half_of_the_test_wordings_are_new(news: Rows) -> None:
    for found in news.values():
        labels = Counter(each.label for row in found for each in row.response.sentiments)
        assert min(labels.values()) > 0.25 * labels.total()
    assert sum("unseen_wording" in row.tags for row in news["test"]) > 0.4 * len(news["test"])
    assert not any("unseen_wording" in row.tags for row in news["train"])


def test_many_texts_have_two_companies_with_different_sentiments(news: Rows) -> None:
    for found in news.values():
        mixed = [row for row in found if len({each.label for each in row.response.sentiments}) > 1]
        assert len(mixed) > 0.2 * len(found)


def test_a_perfect_model_scores_one_and_every_report_of_the_data_is_ok(
    news: Rows, reports: Rows, sentiment: Task[Any, Any], report: Task[Any, Any]
) -> None:
    for task, found in ((sentiment, news), (report, reports)):
        for split in found.values():
            read = [perfect(task, row) for row in split]
            assert read == [row.response for row in split]
            records = [task.observe(row.response, each) for row, each in zip(split, read, strict=True)]
            assert scores(task, records)[task.main_metric] == 1.0
    assert all(row.response.status == "ok" for split in reports.values() for row in split)


def test_the_files_are_jsonl_with_the_fields_of_an_example() -> None:
    for file in (PROJECT / "data").iterdir():
        for line in file.read_text(encoding="utf-8").splitlines():
            assert set(json.loads(line)) - {"weight"} == {"id", "request", "response", "group", "tags"}
