"""Financial PhraseBank and FiQA as users have them; every fault in a copy is reported at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from finance_parts import module  # type: ignore[import-not-found]

from kit.errors import InputError

PHRASES = (
    "Brindle Foods ' net sales rose to EUR 4.2 mn .@positive\r\n"
    "The caf\u00e9 in Turku closes , a @ sign says .@negative\r\n"
    "The caf\u00e9 in Turku closes , a @ sign says .@negative\r\n"
    "It is in two minds .@neutral\r\n"
    "It is in two minds .@positive\r\n"
    "The meeting is in May .@neutral\r\n"
)


def imported(name: str, path: Path, **settings: str) -> list[Any]:
    found: list[Any] = module("importers").importers[name](path, settings)
    return found


@pytest.fixture
def phrases(tmp_path: Path) -> Path:
    (tmp_path / "Sentences_AllAgree.txt").write_bytes(PHRASES.encode("latin-1"))
    (tmp_path / "Sentences_50Agree.txt").write_bytes(b"Nothing new .@neutral\n")
    return tmp_path


def test_sentences_have_their_label_for_the_text_as_a_whole(phrases: Path) -> None:
    examples = imported("phrasebank", phrases)
    found = [(each.request.text, each.response.sentiments[0].label) for each in examples]
    assert found == [
        ("Brindle Foods ' net sales rose to EUR 4.2 mn .", "positive"),
        ("The caf\u00e9 in Turku closes , a @ sign says .", "negative"),
        ("The meeting is in May .", "neutral"),
    ]
    assert all(each.request.entities == () and each.response.sentiments[0].entity is None for each in examples)
    assert imported("phrasebank", phrases / "Sentences_AllAgree.txt") == examples


def test_the_agreement_chooses_the_file(phrases: Path) -> None:
    assert [each.request.text for each in imported("phrasebank", phrases, agreement="50")] == ["Nothing new ."]


def test_sentences_that_differ_only_in_numbers_are_kept_together(tmp_path: Path) -> None:
    (tmp_path / "Sentences_AllAgree.txt").write_bytes(b"Sales were 4.1 .@neutral\nSales were 5.9 .@neutral\n")
    first, second = imported("phrasebank", tmp_path)
    assert first.group == second.group
    assert first.id != second.id


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        (b"no label\nfine .@neutral\nodd .@bullish\n", {}, ["AllAgree.txt:1", "AllAgree.txt:3"]),
        (b"fine .@neutral\n", {"agreement": "90"}, ["'90' is no agreement"]),
        (b"fine .@neutral\n", {"agrement": "50"}, ["agreement"]),
        (b"\n", {}, ["no labelled texts"]),
    ],
)
def test_every_fault_is_named(tmp_path: Path, content: bytes, settings: dict[str, str], said: list[str]) -> None:
    (tmp_path / "Sentences_AllAgree.txt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        imported("phrasebank", tmp_path, **settings)
    for part in said:
        assert part in str(caught.value)


def test_a_folder_without_the_set_is_named(tmp_path: Path) -> None:
    for name in ("phrasebank", "fiqa"):
        with pytest.raises(InputError, match="here"):
            imported(name, tmp_path)


def opinion(target: str, score: object) -> dict[str, Any]:
    return {"snippets": "['x']", "target": target, "sentiment_score": score, "aspects": "['Stock']"}


def test_headlines_have_a_label_for_each_company(tmp_path: Path) -> None:
    entries = {
        "1": {"sentence": "Galden up,  Hexley down", "info": [opinion("Galden", "0.5"), opinion("Hexley", "-0.4")]},
        "2": {"sentence": "Ivoren meets", "info": [opinion("Ivoren", "0.3"), opinion("Ivoren", "-0.2")]},
    }
    (tmp_path / "task1_headline_ABSA_train.json").write_text(json.dumps(entries), encoding="utf-8")
    first, second = imported("fiqa", tmp_path)
    assert first.request.text == "Galden up, Hexley down"
    assert [(each.entity, each.label) for each in first.response.sentiments] == [
        ("Galden", "positive"),
        ("Hexley", "negative"),
    ]
    assert [each.label for each in second.response.sentiments] == ["neutral"]
    assert imported("fiqa", tmp_path, neutral="0.01")[1].response.sentiments[0].label == "positive"


@pytest.mark.parametrize("content", ['{"1": {"sentence": "x"}}', '{"1": {"sentence": 5, "info": [{}]}}', "not json"])
def test_entries_of_fiqa_without_their_parts_are_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "task1_post_ABSA_train.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="task1_post"):
        imported("fiqa", file)
    with pytest.raises(InputError, match="--set neutral"):
        imported("fiqa", file, neutral="much")
