"""Evaluated texts are never trained on, and training texts only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.data.importing import load_importers, plan_import
from kit.data.split import held_out
from kit.errors import InputError
from kit.project.template import find_template
from pretrain.texts import reading
from pretrain.texts.contamination import RUN, Evaluated
from pretrain.texts.corpus import EVALUATION_ONLY, collect
from pretrain.texts.documents import HELD_OUT_SHARE, Document, Mark, split
from pretrain.texts.sources import SOURCES

_SECRET = " ".join(f"secret{number}" for number in range(RUN + 5))


def _plain(name: str, text: str) -> Document:
    return Document("set", name, text)


def _around(text: str, words: int = 60) -> str:
    own = [f"word{number}" for number in range(words)]
    return " ".join([*own, text, *own])


def test_the_split_equals_that_of_an_import_and_keeps_groups_whole() -> None:
    documents = [Document("set", f"group {number % 50}", str(number)) for number in range(200)]
    kept, held = split([*documents, Document("set", "never", "x", official_test=True)])
    assert {each.group for each in kept}.isdisjoint({each.group for each in held})
    assert all(held_out(each.group, HELD_OUT_SHARE) for each in held if not each.official_test)
    assert any(each.group == "never" for each in held)


def test_a_passage_of_an_evaluated_text_is_cut_and_marks_move_with_the_text() -> None:
    text = _around(_SECRET)
    start, inside = text.rindex("word7"), text.index("secret2")
    marks = (Mark("end", start, start + 5), Mark("gone", inside, inside + 7))
    document = Document("set", "a", text, marks=marks)
    cleaned = Evaluated([_plain("test", _around(_SECRET, 2))]).clean([document])
    (left,) = cleaned.documents
    assert "secret" not in left.text
    assert [(mark.label, left.text[mark.start : mark.end]) for mark in left.marks] == [("end", "word7")]
    assert (cleaned.cut, cleaned.dropped) == (1, 0)


def test_a_dialogue_or_a_mostly_evaluated_text_is_dropped() -> None:
    evaluated = Evaluated([_plain("test", _SECRET), _plain("short", "Where is my card?")])
    dialogue = Document("set", "a", _around(_SECRET), turns=(("user", "x"), ("assistant", _SECRET)))
    query = Document("set", "c", "where is my CARD", label="card")
    cleaned = evaluated.clean([dialogue, _plain("b", _SECRET), query, _plain("d", "Fine.")])
    assert [each.group for each in cleaned.documents] == ["d"]
    assert cleaned.dropped == 3


def test_a_common_phrase_is_no_contamination() -> None:
    documents = [_plain(str(number), _around(_SECRET) + f" number {number}") for number in range(10)]
    assert len(Evaluated([_plain("test", _SECRET)]).clean(documents).documents) == 10


def test_every_missing_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        collect(tmp_path, lambda line: None)
    named = {problem.where for problem in caught.value.problems}
    assert named == {
        str(tmp_path / each) for each in (*(source.folder for source in SOURCES), *EVALUATION_ONLY) if each
    }


@pytest.mark.public_data
def test_no_test_contract_of_an_import_is_trained_on(public_data: Path) -> None:
    kept, _ = split(reading.contracts(public_data / "legal" / "cuad"))
    learned = {document.group for document in kept}
    examples = load_importers(find_template("legal").folder)["cuad"](public_data / "legal" / "cuad", {})
    for groups in (None, reading.CONTRACT_GROUPS):
        tested = plan_import(examples, Path("nowhere"), "cuad", groups, HELD_OUT_SHARE, replace=True).test
        assert learned
        assert learned.isdisjoint({example.group for example in tested})


@pytest.mark.public_data
@pytest.mark.parametrize("name", ["abstracts", "small_programs", "banking_queries", "agreements"])
def test_no_held_out_text_of_a_set_is_trained_on(public_data: Path, name: str) -> None:
    source = next(each for each in SOURCES if each.name == name)
    kept, held = split(source.read(public_data / source.folder))
    cleaned = Evaluated(held).clean(kept).documents
    texts = {" ".join(each.text.lower().split()) for each in held}
    assert texts
    assert cleaned
    assert not any(" ".join(each.text.lower().split()) in texts for each in cleaned)
    assert {each.group for each in cleaned}.isdisjoint({each.group for each in held})
