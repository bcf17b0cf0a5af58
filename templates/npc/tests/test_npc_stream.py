"""The stream gives the action first, then clause by clause, and never disagrees with the response."""

from __future__ import annotations

import pickle
import random
from typing import Any

from npc_parts import FALLBACK, make_task, scene, written  # type: ignore[import-not-found]
from test_npc_bounds import _hostile  # type: ignore[import-not-found]

from kit.task import Completion, Stream

TASK = make_task()
REQUEST = TASK.request_type.model_validate(scene())


def events(*pieces: str, reader: Any = None) -> list[Any]:
    """Return the events of a text that arrives in pieces; the reader is pickled after each, as workers do."""
    assert isinstance(TASK, Stream)
    reader = reader or TASK.follow(REQUEST)
    found = []
    for piece in pieces:
        found += reader.read(0, piece)
        reader = pickle.loads(pickle.dumps(reader))
    return found


def test_the_action_arrives_before_any_word_is_written() -> None:
    (event,) = events('{"action":"sell: lamp"')
    assert event.model_dump() == {"action": {"name": "sell", "target": "lamp"}}
    assert events('{"action":"sell: la') == []


def test_an_action_that_is_not_allowed_is_announced_as_none() -> None:
    (event,) = events('{"action":"open: vault"')
    assert event.model_dump() == {"action": {"name": "none", "target": None}}


def test_words_arrive_by_clause_before_the_line_is_finished() -> None:
    text = '{"action":"none","refused":false,"line":"Good evening, traveller. I am glad. What brings you'
    begun = ["Good evening,", "traveller. I am glad."]
    assert [event.text for event in events(*text)[1:]] == begun
    assert [event.text for event in events(*text, ' here?"}')[1:]] == [*begun, "What brings you here?"]


def test_a_clause_out_of_bounds_is_never_sent_and_the_fallback_line_takes_its_place() -> None:
    found = events(*written("none", "Let me think about it. It was Oslin, I am sure. Goodbye."))[1:]
    assert [(event.text, event.fallback) for event in found] == [("Let me think about it.", False), (FALLBACK, True)]


def test_each_type_of_event_has_a_name() -> None:
    found = events(written())
    assert isinstance(TASK, Stream)
    assert [next(name for name, kind in TASK.event_types.items() if type(event) is kind) for event in found] == [
        "action",
        "words",
    ]


def test_a_stream_in_any_pieces_agrees_with_the_response() -> None:
    chance = random.Random(3)
    for _ in range(1000):
        text = _hostile(chance)
        response = TASK.read(REQUEST, [Completion(text)])
        found, reader, at = [], TASK.follow(REQUEST), 0
        while at < len(text):
            size = chance.randint(1, 9)
            found += reader.read(0, text[at : at + size])
            at += size
        assert reader.response() == response
        actions = [event.action for event in found if hasattr(event, "action")]
        words = [event for event in found if hasattr(event, "text")]
        assert actions in ([], [response.action])
        assert found[:1] == [] or hasattr(found[0], "action")
        if not response.fallback:
            assert " ".join(event.text for event in words) == response.line
        elif any(event.fallback for event in words):
            assert [event.text for event in words if event.fallback] == [response.line]
