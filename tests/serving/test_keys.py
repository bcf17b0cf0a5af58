"""Keys: no route answers without one except liveness and readiness, and a key opens only what its scopes name."""

from __future__ import annotations

import hashlib
import random
import re
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anthropic
import openai
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from kit.bundle.store import Bundle
from kit.errors import InputError
from serving.app import create_app
from serving.guard.caller import Scopes
from serving.guard.gate import PUBLIC_PATHS
from serving.guard.keys import Issued, KeyRing, new_key, read_keys, revoke_key, rotate_key
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.bundles import weightless_bundle
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually, running

ALL = Scopes()
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
SAMPLES = 10_000
Make = Callable[..., Issued]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class Guarded:
    """A running service that needs a key, one that opens everything, and the routes that it registered."""

    app: FastAPI
    service: Service
    file: Path
    token: str


@pytest.fixture(scope="module")
def guarded(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    token = new_key(file, "everything", Scopes(admin=True)).token
    app = create_app(Settings(keys=file), ControlledEngine(), [Deployed(bundle, "preview")])
    with running(app) as service:
        yield Guarded(app, service, file, token)


def registered(app: FastAPI) -> list[tuple[str, str]]:
    """Return the method and path of each registered route, with a value for each part that the path leaves open."""
    routes = [route for route in app.routes if isinstance(route, APIRoute | Route)]
    return [
        (method, re.sub(r"\{[^}]*\}", "x", route.path)) for route in routes for method in sorted(route.methods or ())
    ]


@pytest.mark.parametrize(
    "headers", [{}, bearer("dk-wrong"), {"authorization": "Bearer"}, {"x-api-key": "dk-wrong"}, {"cookie": "a=b"}]
)
def test_every_registered_route_is_401_without_a_key_except_liveness_and_readiness(
    guarded: Guarded, headers: dict[str, str]
) -> None:
    routes = registered(guarded.app)
    assert {path for _, path in routes} >= {*PUBLIC_PATHS, "/health", "/scores", "/openapi.json", "/v1/counter"}
    assert len(routes) > 25
    answers = {route: guarded.service.http.request(*route, headers=headers) for route in [*routes, ("GET", "/nowhere")]}
    opened = {path for (_, path), answer in answers.items() if answer.status_code != 401}
    assert opened == PUBLIC_PATHS == {"/livez", "/readyz"}


def test_a_401_says_what_to_send_in_the_words_of_the_client(guarded: Guarded) -> None:
    http = guarded.service.http
    missing, wrong = http.get("/v1/models"), http.get("/v1/models", headers=bearer("dk-wrong"))
    for answer, code in ((missing, "missing_api_key"), (wrong, "invalid_api_key")):
        assert answer.headers["www-authenticate"].startswith("Bearer")
        error = answer.json()["error"]
        assert (error["code"], error["type"]) == (code, "authentication_error")
        assert answer.headers["x-request-id"]
    said = http.post("/v1/messages", json={}, headers=bearer("dk-wrong")).json()
    assert (said["type"], said["error"]["type"]) == ("error", "authentication_error")


def test_no_route_answers_without_a_key_before_the_service_is_ready(bundle: Bundle, tmp_path: Path) -> None:
    token = new_key(tmp_path / "keys.json", "a", ALL).token
    engine = ControlledEngine()
    engine.may_start.clear()
    app = create_app(Settings(keys=tmp_path / "keys.json"), engine, [Deployed(bundle, "preview")])
    with running(app, ready=False) as service:
        eventually(lambda: service.http.get("/livez").status_code == 200, "live")
        assert service.http.get("/scores").status_code == 401
        assert service.http.post("/v1/chat/completions", json=CHAT).status_code == 401
        assert service.http.post("/v1/chat/completions", json=CHAT, headers=bearer(token)).status_code == 503
        engine.may_start.set()


def test_a_large_body_without_a_key_gets_401_and_no_reset(guarded: Guarded) -> None:
    answer = guarded.service.http.post("/v1/chat/completions", content=b"x" * 8_000_000)
    assert answer.status_code == 401


def test_the_known_clients_send_their_key_as_they_do(guarded: Guarded) -> None:
    url, token = guarded.service.url, guarded.token
    theirs = openai.OpenAI(base_url=f"{url}/v1", api_key=token, max_retries=0)
    assert theirs.models.list().data
    with pytest.raises(openai.AuthenticationError):
        theirs.with_options(api_key="dk-wrong").models.list()
    client = anthropic.Anthropic(base_url=url, api_key=token, max_retries=0)
    assert client.messages.create(model="", max_tokens=4, messages=[{"role": "user", "content": "Hello"}]).content
    for headers in ({"x-api-key": token}, {"api-key": token}, {"authorization": f"bearer  {token}"}):
        assert guarded.service.http.get("/v1/models", headers=headers).status_code == 200, headers


def test_a_file_of_keys_has_no_token_in_it(tmp_path: Path) -> None:
    issued = new_key(tmp_path / "keys.json", "acme", ALL)
    text = (tmp_path / "keys.json").read_text()
    assert issued.token not in text
    assert issued.token.removeprefix("dk-")[:12] not in text
    assert hashlib.sha256(issued.token.encode()).hexdigest() in text
    assert len({new_key(tmp_path / "keys.json", str(each), ALL).token for each in range(20)}) == 20


def test_a_running_service_follows_a_new_a_rotated_and_a_revoked_key(guarded: Guarded) -> None:
    http, file = guarded.service.http, guarded.file

    def status(token: str) -> int:
        return http.get("/v1/models", headers=bearer(token)).status_code

    first = new_key(file, "moving", ALL)
    assert status(first.token) == 200
    second = rotate_key(file, "moving", datetime.now(UTC) + timedelta(hours=1))
    assert second.key.id == first.key.id
    assert (status(first.token), status(second.token)) == (200, 200)
    third = rotate_key(file, "moving", datetime.now(UTC))
    assert [status(each.token) for each in (first, second, third)] == [401, 401, 200]
    revoke_key(file, third.key.id)
    answer = http.get("/v1/models", headers=bearer(third.token))
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "This key was revoked.")
    assert status(guarded.token) == 200


def test_a_key_that_has_expired_opens_nothing(guarded: Guarded) -> None:
    gone = new_key(guarded.file, "gone", ALL, datetime.now(UTC) - timedelta(seconds=1))
    answer = guarded.service.http.get("/v1/models", headers=bearer(gone.token))
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "This key has expired.")


def test_a_key_opens_only_the_routes_that_it_names(guarded: Guarded) -> None:
    http = guarded.service.http
    key = bearer(new_key(guarded.file, "counting", Scopes(routes=("/v1/counter", "/v1/models/*"))).token)
    assert http.post("/v1/counter", json={"text": "a"}, headers=key).status_code == 200
    assert http.get("/v1/models/paper", headers=key).status_code in (200, 404)
    for path in ("/v1/models", "/v1/counter/batch", "/v1/counterfeit", "/openapi.json", "/nowhere"):
        answer = http.get(path, headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "route_not_allowed"), path


def test_only_an_admin_key_opens_what_is_under_admin(guarded: Guarded) -> None:
    http = guarded.service.http
    plain = bearer(new_key(guarded.file, "plain", ALL).token)
    assert http.get("/admin/nowhere", headers=plain).status_code == 403
    assert http.get("/admin/nowhere", headers=bearer(guarded.token)).status_code == 404


def test_a_key_opens_only_the_bundles_that_it_names(
    serve: Serve, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    bundles = [weightless_bundle(tmp_path_factory.mktemp(name), name=name, form="adapter") for name in ("one", "two")]
    digests = [each.digest for each in bundles]
    file = tmp_path / "keys.json"
    keys = {each: bearer(new_key(file, each[:8], Scopes(bundles=(each[:20],))).token) for each in ("one", digests[1])}
    service = serve(ControlledEngine(adapters=digests), [Deployed(each, "preview") for each in bundles], keys=file)

    def status(key: str, model: str) -> int:
        body = {**CHAT, "model": model}
        return service.http.post("/v1/chat/completions", json=body, headers=keys[key]).status_code

    assert (status("one", "one"), status("one", "two")) == (200, 403)
    assert (status(digests[1], "one"), status(digests[1], "two")) == (403, 200)
    refused = service.http.post("/v1/counter", json={"text": "a"}, headers=keys[digests[1]])
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "bundle_not_allowed")


def test_keys_that_cannot_be_read_open_nothing_and_the_answer_names_no_path(guarded: Guarded, tmp_path: Path) -> None:
    kept = guarded.file.read_bytes()
    try:
        guarded.file.write_text("{")
        answer = guarded.service.http.get("/v1/models", headers=bearer(guarded.token))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "keys_unreadable")
        assert str(guarded.file) not in answer.text
        guarded.file.unlink()
        assert guarded.service.http.get("/v1/models", headers=bearer(guarded.token)).status_code == 503
    finally:
        guarded.file.write_bytes(kept)
    assert guarded.service.http.get("/v1/models", headers=bearer(guarded.token)).status_code == 200


def test_without_a_key_in_use_a_service_listens_on_loopback_only(bundle: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    deployed = [Deployed(bundle, "verified")]

    def start(**settings: object) -> None:
        create_app(Settings(host="0.0.0.0", **settings), ControlledEngine(), deployed)  # type: ignore[arg-type]

    with pytest.raises(InputError, match="kit keys new NAME"):
        start()
    new_key(file, "acme", ALL)
    start(keys=file)
    revoke_key(file, "acme")
    with pytest.raises(InputError, match="has no key in use"):
        start(keys=file)
    with pytest.raises(InputError, match="has no key in use"):
        start(keys=file, expose_without_keys=True)  # a file of keys is always asked, so nobody could call it
    start(expose_without_keys=True)


def test_the_override_is_in_every_answer_and_opens_no_admin_route(serve: Serve, bundle: Bundle) -> None:
    service = serve(host="0.0.0.0", expose_without_keys=True, bundles=[Deployed(bundle, "verified")])
    for answer in (service.http.get("/livez"), service.chat(), service.http.get("/nowhere")):
        assert answer.headers["x-domainkit-override"] == "expose-without-keys"
    assert service.http.get("/admin/nowhere").status_code == 403
    assert "x-domainkit-override" not in serve().http.get("/livez").headers


def test_a_damaged_file_of_keys_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text('{"keys": [{"id": "key_1", "name": "a", "secrets": [], "creatd": "2026-01-01"}]}')
    with pytest.raises(InputError) as caught:
        read_keys(file)
    assert "Did you mean 'created'?" in str(caught.value)
    assert str(file) in str(caught.value)


def medians(find: Callable[[bytes], object], wrong: list[bytes]) -> list[float]:
    """Return the median time in nanoseconds to look for each wrong token, taken in a new order each time."""
    taken: list[list[int]] = [[] for _ in wrong]
    order = list(range(len(wrong)))
    for _ in range(SAMPLES):
        random.shuffle(order)
        for each in order:
            token = wrong[each]
            start = time.perf_counter_ns()
            find(token)
            taken[each].append(time.perf_counter_ns() - start)
    return [statistics.median(times) for times in taken]


def spread(times: list[float]) -> float:
    return (max(times) - min(times)) / min(times)


def test_the_time_for_a_wrong_key_says_nothing_about_how_much_of_it_is_right(tmp_path: Path) -> None:
    issued = [new_key(tmp_path / "keys.json", str(each), ALL) for each in range(5)]
    ring, right, now = KeyRing(read_keys(tmp_path / "keys.json").keys), issued[0].token, datetime.now(UTC)
    wrong = [(right[:length] + "~" * (len(right) - length)).encode() for length in (0, 3, 20, len(right) - 1)]
    assert all(ring.find(token, now) is None for token in wrong)

    def leaking(token: bytes) -> bool:
        return all(a == b for a, b in zip(token, right.encode(), strict=True))

    assert spread(medians(leaking, wrong)) > 0.5, "the measurement would not see a comparison that stops early"
    assert any(spread(medians(lambda token: ring.find(token, now), wrong)) < 0.05 for _ in range(5))
