"""The public sets become examples, and every fault in a copy is said where it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from npc_parts import make_task, module  # type: ignore[import-not-found]

from kit.errors import InputError
from kit.task import Completion, write_answer

tmwa, crd3 = (module("importers").importers[name] for name in ("tmwa", "crd3"))
PAIRS = [
    {"npc": "Bryn", "map": "a-1", "kind": "reply", "player": "Is it\nfar?", "npc_reply": "Not  at all."},
    {"npc": "Bryn", "map": "a-1", "kind": "greeting", "player": "", "npc_reply": "Hello there."},
    {"npc": "Bryn", "map": "a-1", "kind": "reply", "player": "Is it\nfar?", "npc_reply": "Not  at all."},
    {"npc": "Osk", "map": "", "kind": "reply", "player": "Who are you?", "npc_reply": "I read it on a website."},
    {"npc": "Osk", "map": "", "kind": "reply", "player": "Go on.", "npc_reply": "x" * 500},
]
EPISODE = {
    "episode": "E1",
    "turns": [
        {"names": ["ANN"], "text": "I look around."},
        {"names": ["BEN"], "text": "Is there a door?"},
        {"names": ["MATT"], "text": "There is a small door, covered in moss."},
        {"names": ["ANN"], "text": "I open it."},
        {"names": ["MATT"], "text": "It gives way with a long groan."},
        {"names": ["MATT"], "text": "Behind it, a stair leads down to the dark."},
        {"names": ["BEN"], "text": "Hm."},
        {"names": ["MATT"], "text": "Yes."},
    ],
}


def lines(path: Path, *objects: Any) -> Path:
    path.write_text("".join(f"{json.dumps(each)}\n" for each in objects), encoding="utf-8")
    return path


def test_pairs_become_turns_without_an_action(tmp_path: Path) -> None:
    file = lines(tmp_path / "pairs.jsonl", *PAIRS)
    (only,) = tmwa(tmp_path, {})
    assert (only.request.player_says, only.response.line, only.group) == ("Is it far?", "Not at all.", "bryn")
    assert only.response.action.name == "none"
    assert only.provenance["licence"] == "GPL-2.0"
    assert len(tmwa(file, {"greetings": "yes"})) == 2


def test_the_game_masters_turns_answer_the_players(tmp_path: Path) -> None:
    examples = crd3(lines(tmp_path / "val.jsonl", EPISODE), {})
    found = {example.request.player_says: example.response.line for example in examples}
    assert found == {
        "Is there a door?": "There is a small door, covered in moss.",
        "I open it.": "It gives way with a long groan.",
    }
    assert {example.group for example in examples} == {"E1"}
    assert [turn.speaker for example in examples for turn in example.request.dialogue].count("npc") == 1
    assert len(crd3(tmp_path, {"rows": "1"})) == 1


@pytest.mark.parametrize(
    ("importer", "settings", "message"),
    [
        (tmwa, {"greeting": "yes"}, "greetings"),
        (tmwa, {"greetings": "maybe"}, "maybe"),
        (crd3, {"rows": "many"}, "many"),
        (crd3, {"rows": "0"}, "number of rows"),
        (crd3, {"row": "1"}, "rows"),
    ],
)
def test_a_wrong_setting_is_named(importer: Any, settings: dict[str, str], message: str, tmp_path: Path) -> None:
    lines(tmp_path / "pairs.jsonl", *PAIRS)
    with pytest.raises(InputError, match=message):
        importer(tmp_path, settings)


@pytest.mark.parametrize(
    ("importer", "content", "message"),
    [
        (tmwa, "not json\n", r"pairs\.jsonl:1"),
        (tmwa, "[]\n", "not a JSON object"),
        (tmwa, '{"player":"Hi."}\n', "no name"),
        (tmwa, '{"npc":3}\n', "'npc' is not a text"),
        (tmwa, "", "no usable pair"),
        (crd3, '{"episode":"E1"}\n', "no episode"),
    ],
)
def test_a_fault_in_a_copy_is_said_where_it_is(importer: Any, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        importer(tmp_path, {})


def test_a_folder_without_the_set_is_refused(tmp_path: Path) -> None:
    for importer in (tmwa, crd3):
        with pytest.raises(InputError, match="There is no"):
            importer(tmp_path, {})


@pytest.mark.public_data
@pytest.mark.skipif("DOMAINKIT_DATA" not in os.environ, reason="DOMAINKIT_DATA does not name a folder of public sets")
@pytest.mark.parametrize(("importer", "settings", "least"), [(tmwa, {}, 600), (crd3, {"rows": "400"}, 400)])
def test_every_row_of_a_shared_set_can_be_learned_and_read_back(
    importer: Any, settings: dict[str, str], least: int
) -> None:
    task = make_task()
    examples = importer(Path(os.environ["DOMAINKIT_DATA"]) / "npc" / importer.__name__, settings)
    assert len(examples) >= least
    for text in (example.model_dump_json() for example in examples):
        row = task.example_type().model_validate_json(text)
        (target,) = task.targets(row.request, row.response)
        assert target is not None
        assert task.read(row.request, [Completion(write_answer(target))]) == row.response
