"""The sums of the ledger are the engine's own counts: on every route, under concurrency, of aborted answers too."""

from __future__ import annotations

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest

from kit.bundle.store import Bundle
from tests.kit.cli.conftest import run_kit
from tests.serving.conftest import Serve
from tests.serving.http import Service, eventually
from tests.serving.ledger.conftest import Place
from tests.serving.ledger.counting import CountingEngine

TURNS = [{"role": "user", "content": "Hello"}]
ROUTES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": TURNS, "n": 2},
    "/v1/completions": {"prompt": ["Once", "Twice upon"], "max_tokens": 9},
    "/v1/responses": {"input": "Hello"},
    "/v1/messages": {"messages": TURNS, "max_tokens": 9},
    "/completion": {"prompt": "Once", "n_predict": 9},
    "/infill": {"input_prefix": "Once", "input_suffix": "twice", "n_predict": 9},
    "/v1/counter": {"text": "x" * 5_000},
    "/v1/counter/batch": {"requests": [{"text": "x"}, {"text": "y" * 3_000}]},
}


def started(serve: Serve, place: Place, engine: CountingEngine, **settings: Any) -> Service:
    service = serve(engine, **place.settings, **settings)
    engine.forget()  # a start asks for one token
    return service


def agrees(place: Place, engine: CountingEngine) -> bool:
    return place.tokens() == (engine.read, engine.written)


@pytest.mark.parametrize("path", ROUTES)
def test_each_route_counts_what_its_answer_cost(serve: Serve, place: Place, path: str) -> None:
    engine = CountingEngine()
    service = started(serve, place, engine)
    assert service.http.post(path, json=ROUTES[path]).status_code == 200
    assert engine.read > 0
    assert engine.written > 0
    eventually(lambda: agrees(place, engine), "the ledger has the engine's counts")
    [row] = place.usage("route").rows
    assert row.group == (path,)
    assert row.requests == 1


def test_the_sums_hold_under_concurrency_and_aborted_streams(serve: Serve, place: Place, bundle: Bundle) -> None:
    engine = CountingEngine(lambda asked: "one two three four " * 30)
    engine.delay = 0.001
    service = started(serve, place, engine, prices={"prompt": 3.0, "completion": 12.0})
    draw = random.Random(7)
    orders = [(draw.choice(sorted(ROUTES)), draw.random() < 0.4) for _ in range(120)]

    def ask(order: tuple[str, bool]) -> None:
        path, leaves = order
        streams = leaves and path in ("/v1/chat/completions", "/v1/completions", "/v1/messages", "/completion")
        patience = httpx.Timeout(60, read=0.15 if leaves and not streams else 60)
        with suppress(httpx.ReadTimeout), httpx.Client(base_url=service.url, timeout=patience) as client:
            if not streams:
                client.post(path, json=ROUTES[path])
                return
            with client.stream("POST", path, json=ROUTES[path] | {"stream": True}) as answer:
                for _ in zip(answer.iter_raw(), range(3), strict=False):
                    pass

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(ask, orders))
    eventually(lambda: engine.active == 0, "every generation has ended")
    eventually(lambda: agrees(place, engine), "the ledger has the engine's counts")
    outcomes = {row.group[0]: row.requests for row in place.usage("outcome").rows}
    assert outcomes.get("left", 0) > 0
    total = place.usage().total
    assert 60 < total.requests == sum(outcomes.values()) <= 120  # a client may leave before the engine is asked
    assert total.cost == pytest.approx((3 * engine.read + 12 * engine.written) / 1e6, abs=1e-4)
    assert {row.group[1].split("@")[1] for row in place.usage("key", "bundle").rows} == {bundle.digest}


def test_a_failing_engine_counts_what_it_wrote(serve: Serve, place: Place) -> None:
    engine = CountingEngine(lambda asked: RuntimeError("broken"))
    engine.before_failure = 2
    service = started(serve, place, engine)
    assert "error" in service.chat(stream=True).text
    assert service.chat().status_code == 500
    eventually(lambda: agrees(place, engine), "the ledger has the engine's counts")
    assert [row.group for row in place.usage("outcome").rows] == [("failed",)]


def test_what_the_engine_never_saw_is_in_no_row(serve: Serve, place: Place) -> None:
    service = started(serve, place, CountingEngine())
    assert service.chat(n=-1).status_code == 422
    assert service.http.get("/props").status_code == 200
    assert service.http.post("/v1/tokenize", json={"prompt": "Once"}).status_code == 200
    assert service.chat().status_code == 200
    eventually(lambda: place.usage().total.requests == 1, "one row")


def test_the_command_shows_the_same_as_a_table_as_csv_and_as_json(serve: Serve, tmp_path: Any) -> None:
    place = Place(tmp_path / "state", None)
    engine = CountingEngine()
    service = started(serve, place, engine)
    assert service.chat().status_code == 200
    eventually(lambda: agrees(place, engine), "the ledger has the engine's counts")
    shown = run_kit("usage", "--state", place.state, cwd=tmp_path)
    assert (shown.code, shown.err) == (0, "")
    assert f"anonymous  counter@{place.usage('bundle').rows[0].group[0].split('@')[1][:12]}" in shown.out
    csv = run_kit("usage", "--state", place.state, "--by", "key", "--csv", cwd=tmp_path).out.splitlines()
    assert csv[0] == "key,requests,prompt_tokens,completion_tokens,seconds,cost"
    assert csv[1].startswith(f"anonymous,1,{engine.read},{engine.written},")
    found = json.loads(run_kit("usage", "--state", place.state, "--json", cwd=tmp_path).out)
    assert found["total"]["completion_tokens"] == engine.written
    none = run_kit("usage", "--state", place.state, "--until", "2020-01-01", cwd=tmp_path)
    assert none.out == "No request was answered in this time.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "yesterday"), "'yesterday' is no day."),
        (("--by", "colour"), "'colour' is no group."),
        (("--ledger", "mysql://here"), "This is no database that the ledger can use."),
        (("--state", "nowhere"), "There is no ledger here yet."),
    ],
)
def test_a_mistake_is_a_sentence(tmp_path: Any, words: tuple[str, ...], said: str) -> None:
    done = run_kit("usage", *words, cwd=tmp_path)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "nowhere").exists()


def test_a_key_sees_at_once_what_it_spent(serve: Serve, tmp_path: Any) -> None:
    """Limits ask for it, so what still runs counts, and so does what was spent before a restart."""
    place = Place(tmp_path / "state", None)
    engine = CountingEngine()
    service = started(serve, place, engine)
    accounts = service.app.state.accounts
    engine.proceed.clear()
    asking = threading.Thread(target=lambda: service.chat(stream=True))
    asking.start()
    eventually(lambda: accounts.ledger.spent("anonymous").completion_tokens > 0, "a running answer counts")
    engine.proceed.set()
    asking.join()
    eventually(lambda: agrees(place, engine), "the row is written")
    assert accounts.ledger.spent("anonymous").tokens == engine.read + engine.written
    assert accounts.ledger.spent("another").tokens == 0
