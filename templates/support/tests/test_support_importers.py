"""Public sets of intents, the task that they are examples of, and the projections of a hand-off."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support_parts import PROJECT, answer, draft, module, request_of  # type: ignore[import-not-found]

from kit.data.importing import read_set
from kit.errors import InputError
from kit.recipe import load_recipe
from kit.task import Completion, Task
from kit.task.loader import load_tasks

importers = module("importers").importers


def intents(name: str) -> Task[Any, Any]:
    """The task of a benchmark's profile."""
    return load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml", name))[0]


def bank(folder: Path, text: str = "text,category\nWhere is my card?,card_arrival\n") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "train.csv").write_text(text, encoding="utf-8")
    return folder


def test_banking77_is_read_from_its_folder_or_its_file(tmp_path: Path) -> None:
    table = 'text,category\n"Card, please",card_arrival\n"card,  please",card_arrival\nHi,top_up_failed\n'
    folder = bank(tmp_path / "set", table)
    rows = importers["banking77"](folder, {})
    assert sorted((row.request.text, row.response.intent) for row in rows) == [
        ("Card, please", "card_arrival"),
        ("Hi", "top_up_failed"),
    ]
    assert importers["banking77"](folder / "train.csv", {}) == rows
    read = read_set(importers["banking77"], intents("banking77"), folder, {})
    assert [row.model_dump() for row in read] == [row.model_dump() for row in rows]


def test_clinc150_keeps_what_is_out_of_scope(tmp_path: Path) -> None:
    whole = {"train": [["pay my bill", "pay_bill"]], "oos_train": [["a show on broadway", "oos"]]}
    (tmp_path / "data_full.json").write_text(json.dumps(whole), encoding="utf-8")
    rows = importers["clinc150"](tmp_path, {})
    assert {(row.response.intent, row.tags) for row in rows} == {("pay_bill", ()), ("oos", ("out_of_scope",))}
    assert len(importers["clinc150"](tmp_path / "data_full.json", {"lists": "train"})) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("text,label\na,b\n", "no column category"),
        ("text,category\n,card_arrival\n", "train.csv:2: The text or the intent is empty."),
        ("text,category\n", "There are no messages"),
    ],
)
def test_a_table_out_of_shape_is_reported_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        importers["banking77"](bank(tmp_path / "set", text), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "It is not JSON"),
        ("[]", "not an object with lists"),
        ('{"train": [["a"]]}', r"train\[0\]: This is not a pair"),
    ],
)
def test_json_out_of_shape_is_reported_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "data.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        importers["clinc150"](tmp_path, {})


def test_a_folder_without_the_set_and_an_unknown_setting_are_told(tmp_path: Path) -> None:
    for name in importers:
        with pytest.raises(InputError, match="colour") as caught:
            importers[name](tmp_path, {"colour": "red"})
        assert len(caught.value.problems) == 2


def test_an_intent_that_the_recipe_lacks_is_refused_by_name() -> None:
    task = intents("banking77")
    request, response = task.request_type(text="Hi"), task.response_type(intent="card_arival")
    with pytest.raises(InputError, match="card_arrival"):
        task.targets(request, response)


def test_the_metrics_of_intents_tell_out_of_scope_apart() -> None:
    task = intents("clinc150")
    oos, bill = (task.response_type(intent=name) for name in ("oos", "pay_bill"))
    records = [task.observe(oos, bill), task.observe(oos, oos), task.observe(bill, bill)]
    found = {name: metric.reduce(records) for name, metric in task.metrics.items()}
    assert (found["out_of_scope_recall"], found["in_scope_accuracy"]) == (0.5, 1.0)
    assert task.read(task.request_type(text="Hi"), [Completion("oos")]) == oos


@pytest.mark.public_data
@pytest.mark.parametrize(("name", "rows", "labels"), [("banking77", 9_990, 77), ("clinc150", 18_300, 151)])
def test_the_shared_sets_are_read_and_fit_their_profiles(name: str, rows: int, labels: int) -> None:
    folder = Path(os.environ["DOMAINKIT_DATA"]) / "support" / name
    found, task = importers[name](folder, {}), intents(name)
    assert len(found) >= rows
    assert {row.response.intent for row in found} == set(task.options.intents)
    assert len(task.options.intents) == labels


# --- projections ---


def handed_over() -> Any:
    task = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))[0]
    return answer(task, request_of(task, "Is it 99 days?"), draft(text="You have 99 days."))


def test_a_hand_off_is_a_private_note_in_chatwoot() -> None:
    status, note = module("projections").chatwoot(handed_over(), account=3, conversation=42)
    assert (status.method, status.path) == ("POST", "/api/v1/accounts/3/conversations/42/toggle_status")
    assert status.body == {"status": "open"}
    assert note.path == "/api/v1/accounts/3/conversations/42/messages"
    assert (note.body["private"], note.body["message_type"]) == (True, "outgoing")
    assert "99 days" in note.body["content"]


def test_a_hand_off_is_an_internal_comment_in_zendesk() -> None:
    (update,) = module("projections").zendesk(handed_over(), ticket=7, group=5, tags=["vip"])
    assert (update.method, update.path) == ("PUT", "/api/v2/tickets/7.json")
    ticket = update.body["ticket"]
    assert (ticket["group_id"], ticket["comment"]["public"], ticket["status"]) == (5, False, "open")
    assert ticket["tags"] == ["vip", "bot_hand_off", "reason_unsupported_claim", "intent_return_device"]
    assert "priority" not in ticket


def test_a_danger_is_urgent_in_zendesk() -> None:
    task = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))[0]
    danger = answer(task, request_of(task, "Smoke!"), draft(intent="danger", action="hand_off", reason="danger"))
    (update,) = module("projections").zendesk(danger, ticket=7, group=5)
    assert update.body["ticket"]["priority"] == "urgent"


def test_a_hand_off_is_a_note_and_an_assignment_in_intercom() -> None:
    note, assigned = module("projections").intercom(handed_over(), conversation="a/1", admin="12", team="34")
    assert (note.path, assigned.path) == ("/conversations/a%2F1/reply", "/conversations/a%2F1/parts")
    assert (note.body["message_type"], note.body["type"], note.body["admin_id"]) == ("note", "admin", "12")
    assert assigned.body == {"message_type": "assignment", "type": "team", "admin_id": "12", "assignee_id": "34"}


def test_what_hands_nothing_over_has_no_projection() -> None:
    task = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml"))[0]
    silent = task.response_type(action="silent")
    for name, words in (("chatwoot", (1, 2)), ("zendesk", (1, 2)), ("intercom", ("1", "2", "3"))):
        with pytest.raises(InputError, match="silent"):
            getattr(module("projections"), name)(silent, *words)
