"""Exercises ask for something in the text, and their answers are right."""

from __future__ import annotations

import json
import random

from pretrain.exercises import Context, Exercise, code, dialogue, labels, passages, quoting, sentences, words
from pretrain.texts.documents import Document, Mark
from pretrain.texts.pieces import Chat, Infill, Piece

_PROSE = (
    "The supplier shall deliver the goods within ten days. Payment falls due when the invoice arrives at the office. "
    "Either party may end this agreement with written notice. The laws of Scotland govern every dispute between them. "
    "Insurance must cover the transport from the warehouse. Records are kept for seven years after delivery."
)
_OTHER = Document("set", "other", "Gardens and orchards were blooming beside the quiet river in early spring. " * 3)
_PROGRAM = '''def double(value):
    """Return twice the value that is given."""
    result = value * 2
    return result


def last(items):
    """Return the last of the items in a list."""
    at = len(items) - 1
    return items[at]


END = True
'''


def _made(
    exercise: Exercise, document: Document, times: int = 30, others: tuple[Document, ...] = (_OTHER,)
) -> list[Piece]:
    draw = random.Random(1)
    return [piece for _ in range(times) for piece in exercise(document, Context((document, *others)), draw)]


def _parts(piece: Piece) -> tuple[str, str]:
    assert isinstance(piece, Chat)
    assert piece.turns[-1][0] == "assistant"
    return "\n".join(text for _, text in piece.turns[:-1]), piece.turns[-1][1]


def test_quotes_and_openings_are_the_sources_own_sentences() -> None:
    document, known = Document("set", "a", _PROSE), sentences(_PROSE)
    assert len(known) == 6
    quotes = [_parts(piece)[1] for piece in _made(quoting.quote_sentence, document)]
    assert set(quotes) <= set(known)
    assert len(set(quotes)) > 3
    for asked, opening in map(_parts, _made(quoting.opening_words, document)):
        assert f"{len(opening.split())} words" in asked
        assert any(sentence.startswith(opening) for sentence in known)


def test_quotes_by_key_hold_only_terms_of_the_passage() -> None:
    document = Document("set", "a", _PROSE)
    answers = [json.loads(_parts(piece)[1]) for piece in _made(quoting.quotes_by_key, document, 60)]
    assert {} in answers
    assert any(len(answer) > 1 for answer in answers)
    for answer in answers:
        for term, (quote,) in answer.items():
            assert term in _PROSE
            assert quote in _PROSE


def test_gaps_are_filled_with_the_original_text() -> None:
    document = Document("set", "a", _PROGRAM)
    for exercise in (code.fill_line, code.fill_lines, code.fill_span):
        made = _made(exercise, document)
        assert {piece.suffix_first for piece in made if isinstance(piece, Infill)} == {False, True}
        assert all(
            isinstance(piece, Infill) and piece.prefix + piece.middle + piece.suffix == _PROGRAM for piece in made
        )
    (restored, *_) = _made(words.restore, Document("set", "a", _PROSE))
    assert isinstance(restored, Infill)
    assert restored.prefix + restored.middle + restored.suffix == _PROSE
    for asked, word in map(_parts, _made(words.cloze, Document("set", "a", _PROSE))):
        assert "____" in asked
        assert word in _PROSE


def test_functions_are_asked_for_by_their_docstrings() -> None:
    asked, first = _parts(_made(code.write_function, Document("set", "a", _PROGRAM), 1)[0])
    assert "double(value)" in asked
    assert "Return twice the value that is given." in asked
    assert first.startswith("def double(value):")
    assert first.endswith("return result")


def test_labels_are_given_bare_in_words_or_among_others() -> None:
    query = Document("set", "a", "Where is my card?", label="card_arrival")
    others = tuple(Document("set", str(number), "x", label=f"other_{number}") for number in range(20))
    answers = {_parts(piece)[1] for piece in _made(labels.intent, query, 60, others)}
    assert answers == {"card_arrival", "card arrival", '{"intent":"card_arrival"}'}
    for asked, answer in map(_parts, _made(labels.intent_of_some, query, 20, others)):
        assert answer == "card_arrival"
        assert "card_arrival" in asked
        assert "other_" in asked


def test_queries_lose_words_or_swap_two_and_gain_none() -> None:
    text = "I would like to know where my new card is"
    query = Document("set", "a", text, label="card_arrival")
    asked = [_parts(piece)[0] for piece in _made(labels.intent, query, 60)]
    changed = [each for each in asked if text not in each]
    assert 10 <= len(changed) <= 40
    assert all(sum(word in each.split() for word in text.split()) >= 3 for each in changed)
    assert any(all(word in each.split() for word in text.split()) for each in changed), "exchanged"


def test_marked_clauses_are_quoted_by_their_opening_words() -> None:
    start = _PROSE.index("The laws")
    document = Document("set", "a", _PROSE, marks=(Mark("governing_law", start, start + 56), Mark("term", 0, 10)))
    made = [json.loads(_parts(piece)[1]) for piece in _made(labels.marked_openings, document, 60)]
    found = [answer["governing law"] for answer in made if answer.get("governing law")]
    assert found
    assert all(_PROSE[start:].startswith(quote) for (quote,) in found)
    assert any(answer.get("term") == [] for answer in made), "some answers name every kind, with [] where it is not"
    assert any("term" not in answer for answer in made)
    kinds = {_parts(piece)[1] for piece in _made(labels.which_label, document, 5)}
    assert kinds <= {"governing law"}


def test_dialogues_alternate_and_end_with_the_assistant() -> None:
    novel = Document(
        "set", "a", '"Who is there?" he cried.\n\n"Only I," said she.\n\n"Come in."\n\n"Thank you."\n\nHe sat.'
    )
    for piece in _made(dialogue.spoken, novel, 5):
        assert isinstance(piece, Chat)
        said = [turn for turn in piece.turns if turn[0] != "system"]
        assert [role for role, _ in said] == ["user", "assistant"] * 2
        assert said[1][1] == "Only I,"
    one = Document("set", "s", "It is rare.", (("user", "What is it?"), ("assistant", "It is rare.")), label="s")
    two = Document("set", "s", "Rest.", (("user", "What helps?"), ("assistant", "Rest.")), label="s")
    (several, *_) = _made(dialogue.several_turns, one, 5, (two,))
    assert len([turn for turn in several.turns if turn[0] == "assistant"]) == 2  # type: ignore[union-attr]


def test_passages_are_consecutive_and_keep_the_marks_that_start_in_them() -> None:
    text = (_PROSE + "\n") * 20
    at = [index for index in range(len(text)) if text.startswith("The laws", index)]
    document = Document("set", "a", text, marks=tuple(Mark("law", start, start + 8) for start in at))
    parts = list(passages(document, random.Random(0)))
    assert text.startswith("".join(part.text for part in parts))
    assert len({len(part.text) for part in parts}) > 3
    marked = [part.text[mark.start : mark.end] for part in parts for mark in part.marks]
    assert len(marked) > 10
    assert all("The laws".startswith(words) for words in marked)
