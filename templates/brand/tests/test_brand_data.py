"""What the sample texts hold, and that voice.json was measured from them. Change these with your own data."""

from __future__ import annotations

import json
import operator
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kit.metrics.similarity import jaccard, words_of
from kit.task import Example

PROJECT = Path(__file__).parents[1]
Examples = dict[str, list[Example[Any, Any]]]
KINDS = ("bad_news", "banned_bait", "close_numbers", "many_facts", "markup", "one_fact", "other_voice", "tight")


def test_the_generator_makes_the_files_that_stand_in_data(generated: dict[str, list[dict[str, Any]]]) -> None:
    for split, rows in generated.items():
        lines = (PROJECT / f"data/{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_the_voice_was_measured_from_these_files(script: ModuleType) -> None:
    assert json.loads((PROJECT / "voice.json").read_text(encoding="utf-8")) == script.voice_of()


def test_other_authors_are_clearly_further_off_than_the_brand_itself() -> None:
    voice = json.loads((PROJECT / "voice.json").read_text(encoding="utf-8"))
    assert 0 < 2 * voice["ceiling"] < voice["floor"]


def test_a_voice_of_too_few_texts_is_refused(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "own.jsonl").write_text('{"text": "It is one."}\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="a voice needs"):
        script.voice_of(PROJECT, tmp_path / "own.jsonl")


def test_there_is_enough_to_learn_from_and_to_measure_with(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    assert len(examples["train"]) >= 500
    assert len(examples["test"]) - len(hard) >= 150
    assert len(hard) >= 40


def test_every_hard_case_has_a_kind_and_every_kind_has_four(examples: Examples) -> None:
    hard = [row for row in examples["test"] if "hard" in row.tags]
    kinds = Counter(tag for row in hard for tag in row.tags if tag.startswith("hard:"))
    assert sorted(kinds) == [f"hard:{kind}" for kind in KINDS]
    assert sum(kinds.values()) == len(hard)
    assert min(kinds.values()) >= 4


def test_no_text_and_no_brief_is_on_both_sides(examples: Examples) -> None:
    for key in map(operator.attrgetter, ("group", "id", "response.text", "request.brief")):
        assert not {key(row) for row in examples["train"]} & {key(row) for row in examples["test"]}


def test_no_two_rows_of_the_two_sides_are_nearly_the_same(examples: Examples) -> None:
    left, right = (
        [words_of("\n".join((*row.request.brief, row.response.text))) for row in examples[split]]
        for split in ("train", "test")
    )
    assert max(jaccard(one, other) for one in right for other in left) < 0.9


def test_test_briefs_have_items_places_and_reasons_that_training_never_saw(examples: Examples) -> None:
    train = "\n".join("\n".join(row.request.brief) for row in examples["train"])
    for name in ("glass teapot", "jam morning", "Bridge Wharf", "a power cut", "fog at the docks", "brass knobs"):
        assert name not in train
        assert any(name in "\n".join(row.request.brief) for row in examples["test"])


def test_texts_vary(examples: Examples) -> None:
    """Different runs of four words in training, and how often the most common text opens alike."""
    runs: set[tuple[str, ...]] = set()
    for row in examples["train"]:
        words = row.response.text.split()
        runs |= set(zip(words, words[1:], words[2:], words[3:], strict=False))
    openings = Counter(" ".join(row.response.text.split()[:2]) for row in examples["train"])
    assert len(runs) > 4_000
    assert openings.most_common(1)[0][1] < 0.2 * openings.total()
    assert len({row.response.text for row in examples["train"]}) == len(examples["train"])
