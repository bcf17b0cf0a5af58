"""Examples in other words: what changes, what may not, and what the task refuses."""

from __future__ import annotations

import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kit.data.augmentation.augmenting import Method, augment
from kit.data.augmentation.endpoint import Endpoint
from kit.data.augmentation.rewording import ONE_WAY, PAIRS, Unfit, by_paragraph, by_table
from kit.data.formats import read_examples
from kit.errors import InputError
from kit.recipe import TaskSection
from kit.task import Example
from kit.task.loader import load_task
from tests.kit.toy import make_toy

LEGAL = Path(__file__).parents[4] / "templates" / "legal"
TABLE = Method("rules", {}, lambda example, copy: by_table(f"{example.id}/{copy}", share=1.0))


@pytest.fixture(scope="module")
def toy_task(tmp_path_factory: pytest.TempPathFactory) -> Any:
    root = make_toy(tmp_path_factory.mktemp("augmenting") / "toy")
    return load_task(root, TaskSection(use="task.py:Toy"))


def visit(task: Any, number: int, text: str, **changes: Any) -> Example[Any, Any]:
    row = {"id": f"visit-{number}", "group": f"g{number}", "request": {"text": text}, "response": {"label": "praise"}}
    made: Example[Any, Any] = task.example_type().model_validate(row | changes)
    return made


def saying(line: str) -> Method:
    return Method("paraphrase", {"model": "m"}, lambda _, __: lambda ___: line)


def test_the_table_changes_phrases_keeps_the_rest_and_a_seed_decides() -> None:
    text = "I want to know: how do I buy 3 cards in order to travel? Do not wait."
    made = {by_table(str(seed), share=1.0)(text) for seed in range(8)}
    assert len(made) > 1
    assert by_table("0")(text) == by_table("0")(text)
    for each in made:
        assert "purchase 3 cards so as to travel?" in each
        assert "Don't wait." in each
    assert by_table("0", share=0.0)(text) == text


def test_no_phrase_of_the_table_stands_in_two_lines() -> None:
    phrases = [phrase for line in PAIRS for phrase in line] + list(ONE_WAY)
    assert len(phrases) == len(set(phrases))
    assert phrases == [phrase.lower() for phrase in phrases]


def test_what_holds_in_one_direction_is_not_turned_round() -> None:
    always = by_table("0", share=1.0)
    assert always("paid prior to the end, before it rains") == "paid before the end, before it rains"


def test_only_paragraphs_are_reworded_and_white_space_stays() -> None:
    text = "1. TERM\n\n  It is so, as it is said.\n\n\tEnd"
    assert by_paragraph(str.upper)(text) == "1. TERM\n\n  IT IS SO, AS IT IS SAID.\n\n\tEnd"


@pytest.mark.parametrize("made", ["pay 40 days after", "pay after thirty days", "pay", "30 " + "very " * 40])
def test_a_rewording_that_loses_a_number_or_most_of_the_text_is_unfit(made: str) -> None:
    with pytest.raises(Unfit):
        by_paragraph(lambda _: made)("pay within 30 days of it")


def test_a_new_example_names_its_source_and_is_of_its_group(toy_task: Any) -> None:
    source = visit(toy_task, 1, "the garden is not open", tags=("t",), provenance={"set": "own"}, weight=0.5)
    (made,) = augment(toy_task, [source], TABLE).examples
    assert made.request.text == "the garden isn't open"
    assert (made.id, made.group, made.tags, made.weight) == ("visit-1~rules-1", "g1", ("t",), 0.5)
    assert made.provenance == {"set": "own", "augmented": "rules", "from": "visit-1"}
    assert made.response.label == "praise"


def test_what_is_already_augmented_is_not_augmented_again(toy_task: Any) -> None:
    source = visit(toy_task, 1, "the garden is not open", provenance={"augmented": "rules"})
    assert augment(toy_task, [source], TABLE).examples == ()


def test_what_says_nothing_new_is_left_out_and_counted(toy_task: Any) -> None:
    sources = [
        visit(toy_task, 1, "the garden is not open"),
        visit(toy_task, 2, "the garden isn't open"),
        visit(toy_task, 3, "rainy and cold there"),
    ]
    made = augment(toy_task, sources, TABLE, copies=2)
    assert made.examples == ()
    assert made.left_out == {"equals another example": 4, "nothing changed": 2}


def test_an_answer_that_the_task_refuses_is_left_out_and_counted(toy_task: Any) -> None:
    refusing = type("Refusing", (type(toy_task),), {"targets": lambda self, request, response: [None]})()
    made = augment(refusing, [visit(toy_task, 1, "the garden is not open")], TABLE)
    assert (made.examples, made.left_out) == ((), {"the task refuses its answer": 1})


def test_what_the_answer_quotes_is_kept_as_it_stands(toy_task: Any) -> None:
    source = visit(toy_task, 1, "we do not praise what they do not praise")
    (made,) = augment(toy_task, [source], TABLE).examples
    assert made.request.text == "we don't praise what they don't praise"
    swallowing = saying("all gone now it is")
    (made,) = augment(toy_task, [source], swallowing).examples
    assert made.request.text.count("praise") == 2


def test_a_located_quote_moves_with_its_text_in_the_legal_template() -> None:
    task = load_task(LEGAL, TaskSection(use="task.py:ClauseExtraction"))
    sources: list[Example[Any, Any]] = read_examples(LEGAL / "data" / "train.jsonl", task)[:12]
    chance = random.Random(0)
    longer = Method("paraphrase", {}, lambda _, __: lambda text: f"{text} {'so ' * chance.randint(1, 2)}")
    made = augment(task, sources, longer)
    assert (len(made.examples), made.left_out) == (12, {})
    for before, after in zip(sources, made.examples, strict=True):
        assert after.request.text != before.request.text
        quoted = [clause.exact for clause in after.response.clauses]
        assert sorted(quoted) == sorted(clause.exact for clause in before.response.clauses)
        assert all(after.request.text[each.start : each.end] == each.exact for each in after.response.clauses)


def test_a_method_that_breaks_a_located_quote_is_refused_by_the_task() -> None:
    task = load_task(LEGAL, TaskSection(use="task.py:ClauseExtraction"))
    source = next(each for each in read_examples(LEGAL / "data" / "train.jsonl", task) if each.response.clauses)
    careless = type("Careless", (type(task),), {"rewrite": lambda self, request, response, reword: (
        request.model_copy(update={"text": "So: " + request.text}), response
    )})()  # fmt: skip
    assert augment(careless, [source], TABLE).left_out == {"the task refuses its answer": 1}


class _Asked(BaseHTTPRequestHandler):
    """Is busy once, names a date for the next try, and then answers."""

    tries = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).tries += 1
        body = json.dumps({"choices": [{"message": {"content": "other words"}}]}).encode()
        self.send_response(200 if self.tries > 1 else 503)
        if self.tries == 1:
            self.send_header("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def test_a_busy_endpoint_that_names_a_date_is_asked_again() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Asked)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert Endpoint(f"http://127.0.0.1:{server.server_port}/v1").paraphrase(0)("some words") == "other words"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("url", ["localhost:8000/v1", "ftp://host/v1", "http://[::1/v1"])
def test_what_is_no_address_is_the_users_mistake(url: str) -> None:
    with pytest.raises(InputError, match="not a valid address"):
        Endpoint(url).paraphrase(0)("some words")


def test_a_key_beyond_ascii_is_the_users_mistake() -> None:
    with pytest.raises(InputError, match="non-ASCII"):
        Endpoint("http://127.0.0.1:9/v1", key="\u201ckey\u201d").paraphrase(0)("some words")


def test_a_quote_that_is_there_thousands_of_times_is_kept_each_time(toy_task: Any) -> None:
    text = "It is late, praise. " * 3_000
    (made,) = augment(toy_task, [visit(toy_task, 0, text)], TABLE).examples
    assert made.request.text == "It's late, praise. " * 2_999 + "It's late, praise. "


def test_white_space_without_end_is_passed_over_in_no_time() -> None:
    text = "one two three" + " " * 200_000 + "four"
    start = time.monotonic()
    assert by_paragraph(lambda part: part)(text) == text
    assert time.monotonic() - start < 10
