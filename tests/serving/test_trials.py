"""A trial beside the bundle of an alias: a share of the clients by their keys, or copies that no client sees."""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kit.workflows import service_state
from serving.models.trials import is_in_share
from tests.kit.cli.conftest import run_kit
from tests.serving.http import eventually
from tests.serving.moving import Moving, named

KEYS = [f"client-{number}" for number in range(200)]


def try_beside(moving: Moving, percent: float) -> None:
    moving.store.alias("production", moving.first.digest, "", moving.second.digest, percent)
    eventually(lambda: "production" in trials(moving), "the trial runs")


def trials(moving: Moving) -> dict[str, Any]:
    return dict(moving.service.http.get("/readyz").json()["trials"])


def counts(moving: Moving) -> dict[str, Any]:
    return dict(trials(moving)["production"])


def compared(moving: Moving, number: int) -> bool:
    """Whether so many copies were answered and compared."""
    return bool(counts(moving)["same"] + counts(moving)["different"] == number)


def answered_by(moving: Moving, key: str, model: str = "production") -> str:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    response = moving.service.http.post("/v1/chat/completions", json=body, headers={"x-domainkit-key": key})
    assert response.json()["choices"][0]["message"]["content"] == f"I am {digest_of(response)[:12]} and nobody else"
    return digest_of(response)


def digest_of(response: Any) -> str:
    return str(response.headers["x-domainkit-bundle"])


def test_a_share_of_the_keys_is_near_what_was_asked_and_a_larger_share_keeps_them() -> None:
    keys = [str(number) for number in range(20_000)]
    small = {key for key in keys if is_in_share("production", key, 10)}
    large = {key for key in keys if is_in_share("production", key, 30)}
    assert small < large
    assert abs(len(small) / len(keys) - 0.10) < 0.01
    assert abs(len(large) / len(keys) - 0.30) < 0.015


def test_a_client_always_meets_the_same_bundle(moving: Moving) -> None:
    try_beside(moving, 30)
    first = {key: answered_by(moving, key) for key in KEYS}
    share = Counter(first.values())[moving.second.digest]
    assert share == sum(is_in_share("production", key, 30) for key in KEYS)
    assert 30 < share < 90
    assert {key: answered_by(moving, key, model="") for key in KEYS} == first
    assert counts(moving)["answered"] == 2 * share
    assert {answered_by(moving, key, model=moving.first.digest) for key in KEYS[:20]} == {moving.first.digest}


def test_requests_without_a_key_are_drawn_one_by_one(moving: Moving) -> None:
    try_beside(moving, 50)
    met = Counter(digest_of(moving.service.chat(model="production")) for _ in range(60))
    assert set(met) == {moving.first.digest, moving.second.digest}


def test_the_end_of_a_trial_unloads_its_bundle(moving: Moving) -> None:
    try_beside(moving, 50)
    moving.store.alias("production", moving.first.digest)
    eventually(lambda: trials(moving) == {}, "the trial ended")
    eventually(lambda: moving.second.digest not in moving.engine._adapters, "its adapter left the engine")
    assert {answered_by(moving, key) for key in KEYS[:30]} == {moving.first.digest}


def test_a_trial_that_cannot_be_proved_does_not_begin(moving: Moving) -> None:
    moving.store.alias("production", moving.first.digest, "", moving.merged.digest, 10)
    eventually(lambda: bool(moving.service.http.get("/readyz").json()["alias_problems"]), "the reason is shown")
    assert trials(moving) == {}
    assert answered_by(moving, "anyone") == moving.first.digest


@pytest.mark.parametrize("differs", [True, False])
def test_a_shadow_answers_copies_that_no_client_sees_and_they_are_compared(moving: Moving, differs: bool) -> None:
    moving.engine.script = named if differs else lambda request: "always the same"
    try_beside(moving, 0)
    for number in range(3):
        response = moving.service.chat(model="production")
        assert digest_of(response) == moving.first.digest
        eventually(partial(compared, moving, number + 1), "the copy was compared")
    assert counts(moving)["different" if differs else "same"] == 3
    assert counts(moving)["answered"] == counts(moving)["failed"] == 0


def test_a_shadow_that_fails_disturbs_no_client_and_is_counted(moving: Moving) -> None:
    second = moving.second.digest
    try_beside(moving, 0)
    moving.engine.script = lambda request: RuntimeError("broken") if request.adapter == second else "well"
    assert moving.service.chat(model="production").status_code == 200
    eventually(lambda: counts(moving)["failed"] == 1, "the failure was counted")
    stream = {"model": "production", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    assert moving.service.http.post("/v1/chat/completions", json=stream).text.endswith("data: [DONE]\n\n")


def test_a_running_service_tells_the_command_line_what_it_answers_with(moving: Moving) -> None:
    try_beside(moving, 30)
    url = moving.service.url
    state = service_state(f"{url}/")
    assert (state.url, state.ready, state.aliases) == (url, True, {"production": moving.first.digest})
    assert (state.trials["production"]["bundle"], state.trials["production"]["percent"]) == (moving.second.digest, 30)
    shown = run_kit("status", "--url", url, cwd=moving.store.root).out
    assert f"On trial beside production: {moving.second.digest[:12]} at 30 %" in shown
    moving.store.alias("production", moving.merged.digest)
    eventually(lambda: bool(service_state(url).problems), "the reason is shown")
    first = run_kit("status", "--url", url, cwd=moving.store.root).out.splitlines()[0]
    assert first.startswith("production stays where it is: ")


def test_a_bundle_on_trial_answers_only_the_typed_routes_that_it_has(moving: Moving) -> None:
    try_beside(moving, 50)
    readiness = moving.app.state.readiness
    pointed = readiness.models().aliases["production"]
    assert pointed.can_try(None)
    assert pointed.can_try("/v1/counter")
    assert not pointed.can_try("/v1/other")


@pytest.mark.parametrize(("url", "code"), [("http://127.0.0.1:9", 2), ("nowhere", 2)])
def test_an_address_where_nothing_answers_is_an_error(tmp_path: Path, url: str, code: int) -> None:
    done = run_kit("status", "--url", url, cwd=tmp_path)
    assert (done.code, "--url" in done.err) == (code, True)
