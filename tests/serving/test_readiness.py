"""Ready means verified and able to generate; a bundle that differs from the tested one never becomes ready."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.bundle.store import Bundle
from kit.errors import KitError, Refused
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import eventually, running


def copy_of(bundle: Bundle, place: Path) -> Bundle:
    return Bundle(bundle.digest, Path(shutil.copytree(bundle.folder, place / bundle.digest)), bundle.seal)


def refusal_of(bundle: Bundle, engine: ControlledEngine) -> str:
    """Serve a bundle that must be refused; return the reason, which is reported once and on every route."""
    reasons: list[str] = []
    with running(
        create_app(Settings(), engine, [Deployed(bundle, "verified")], reasons.append), ready=False
    ) as service:
        eventually(lambda: bool(reasons), "a refusal")
        assert service.http.get("/livez").status_code == 200
        answers = [service.http.get("/readyz"), service.chat(), service.http.post("/v1/counter", json={"text": "x"})]
        for answer in answers:
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "refused"
            assert answer.json()["error"]["message"] == reasons[0]
            assert answer.headers["x-domainkit-status"] == "preview"
        assert service.http.get("/v1/nowhere").status_code == 503
    assert len(reasons) == 1
    assert engine.stopped
    return reasons[0]


def _change_template(bundle: Bundle) -> None:
    file = bundle.tokenizer_folder / "chat_template.jinja"
    file.write_text(file.read_text().replace("user", "User", 1) + " ")


def _lose_tokenizer(bundle: Bundle) -> None:
    (bundle.tokenizer_folder / "tokenizer.json").unlink()


def _change_seal(bundle: Bundle) -> None:
    seal = json.loads((bundle.folder / "seal.json").read_text())
    (bundle.folder / "seal.json").write_text(json.dumps({**seal, "intended_use": "Anything."}))


def _add_file(bundle: Bundle) -> None:
    (bundle.folder / "task" / "more.py").write_text("")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (_change_template, "chat_template.jinja"),
        (_lose_tokenizer, "tokenizer.json"),
        (_change_seal, "seal.json"),
        (_add_file, "more.py"),
    ],
)
def test_a_bundle_with_a_changed_file_never_becomes_ready(
    bundle: Bundle, tmp_path: Path, damage: Callable[[Bundle], None], expected: str
) -> None:
    damaged = copy_of(bundle, tmp_path)
    damage(damaged)
    engine = ControlledEngine()
    assert expected in refusal_of(damaged, engine)
    assert not engine.started


def test_changed_task_code_does_not_run(bundle: Bundle, tmp_path: Path) -> None:
    damaged = copy_of(bundle, tmp_path)
    trace = tmp_path / "it ran"
    task = damaged.folder / "task" / "task.py"
    task.write_text(f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n" + task.read_text())
    assert "task.py" in refusal_of(damaged, ControlledEngine())
    assert not trace.exists()


def test_an_engine_that_answers_like_the_base_never_becomes_ready(bundle: Bundle) -> None:
    engine = ControlledEngine()
    engine.answers_as_base = True
    assert "the adapter is zero, ignored or absent" in refusal_of(bundle, engine)


def test_an_engine_that_cannot_generate_a_token_never_becomes_ready(bundle: Bundle) -> None:
    assert refusal_of(bundle, ControlledEngine(lambda _: KitError("The device is gone."))) == "The device is gone."


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (KitError("There is no device."), "There is no device."),
        (RuntimeError("odd"), "The service failed to start: RuntimeError"),
    ],
)
def test_the_reason_why_an_engine_cannot_start_is_reported(bundle: Bundle, failure: Exception, expected: str) -> None:
    engine = ControlledEngine()
    engine.start_fails = failure
    assert expected in refusal_of(bundle, engine)


def test_a_service_that_is_not_ready_is_live_and_answers_503(serve: Serve) -> None:
    engine = ControlledEngine()
    engine.may_start.clear()
    service = serve(engine, ready=False)
    assert service.http.get("/livez").json() == {"status": "live"}
    for answer in (service.http.get("/readyz"), service.chat(), service.http.get("/v1/models")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert answer.headers["retry-after"] == "2"
    engine.may_start.set()
    eventually(lambda: service.http.get("/readyz").status_code == 200, "ready")
    assert service.chat().json()["choices"][0]["message"]["content"] == LINE


def test_readyz_names_the_models_after_each_generated_a_token(serve: Serve, bundle: Bundle) -> None:
    engine = ControlledEngine()
    answer = serve(engine).http.get("/readyz").json()
    assert answer == {
        "status": "ready",
        "models": [{"id": "counter", "bundle": bundle.digest, "status": "preview", "signature": "not required"}],
        "aliases": {},
        "trials": {},
        "alias_problems": {},
    }
    assert [asked.sampling.max_tokens for asked in engine.requests] == [1]


def test_readyz_fails_when_the_engine_is_unhealthy(serve: Serve) -> None:
    engine = ControlledEngine()
    service = serve(engine)
    engine.failure = KitError("The device is gone.")
    assert service.http.get("/readyz").status_code == 503
    assert service.http.get("/readyz").json()["error"]["message"] == "The device is gone."
    assert service.http.get("/livez").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.invalid"])
def test_a_preview_is_not_served_to_other_machines(bundle: Bundle, host: str) -> None:
    engine = ControlledEngine()
    with pytest.raises(Refused, match="preview"):
        create_app(Settings(host=host), engine, [Deployed(bundle, "preview")])
    create_app(Settings(host=host, expose_without_keys=True), engine, [Deployed(bundle, "verified")])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_preview_is_served_on_loopback(bundle: Bundle, host: str) -> None:
    create_app(Settings(host=host), ControlledEngine(), [Deployed(bundle, "preview")])


def test_an_override_is_logged_and_visible_in_every_response(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    service = serve(host="0.0.0.0", expose_preview=True, expose_without_keys=True)
    assert "is a preview and other machines can reach it" in caplog.text
    for answer in (service.http.get("/livez"), service.chat(), service.http.get("/v1/nowhere")):
        assert answer.headers["x-domainkit-override"] == "expose-preview, expose-without-keys"
        assert answer.headers["x-domainkit-status"] == "preview"
