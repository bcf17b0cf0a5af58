"""An engine that dies or hangs: the service is not ready at once, and answers again only after it was proved again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from kit.bundle.store import Bundle
from kit.engines.base import EngineSilent
from kit.engines.pulse import Pulse
from kit.errors import KitError
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.models.recovery import BackOff
from serving.server import serve as serve_until_stopped
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import LINE, ControlledEngine
from tests.serving.http import Service, eventually, running
from tests.serving.test_readiness import copy_of

DEATH = KitError("the engine's process has ended.")


class MortalEngine(ControlledEngine):
    """An engine that a new start revives, unless its failure lasts."""

    def __init__(self, lasting: bool = False) -> None:
        super().__init__()
        self.starts = 0
        self.lasting = lasting

    async def start(self) -> None:
        self.starts += 1
        if not self.lasting:
            self.failure = None
        await super().start()


def unavailable(service: Service) -> bool:
    answer = service.http.get("/readyz")
    return answer.status_code == 503 and answer.json()["error"]["code"] == "engine_unavailable"


def ready(service: Service) -> bool:
    return service.http.get("/readyz").status_code == 200


def test_a_dead_engine_makes_the_service_not_ready_and_is_started_and_proved_again(serve: Serve) -> None:
    engine = MortalEngine()
    service = serve(engine)
    engine.may_start.clear()
    engine.failure = DEATH
    eventually(lambda: unavailable(service), "not ready")
    answer = service.chat()
    assert answer.status_code == 503
    assert answer.json()["error"]["message"].startswith("The engine cannot answer now: the engine's process has ended.")
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["x-domainkit-status"] == "preview"
    engine.may_start.set()
    eventually(lambda: ready(service), "ready again")
    assert engine.starts == 2
    assert service.chat().json()["choices"][0]["message"]["content"] == LINE


def test_an_engine_that_comes_back_as_another_model_is_refused_for_good(serve: Serve) -> None:
    engine = MortalEngine()
    service = serve(engine)
    engine.answers_as_base = True
    engine.failure = DEATH
    eventually(lambda: service.http.get("/readyz").json().get("error", {}).get("code") == "refused", "a refusal")
    assert "answers as the base model does" in service.chat().json()["error"]["message"]
    assert service.chat().headers["x-should-retry"] == "false"


def test_files_that_changed_while_the_service_ran_are_found_before_the_engine_reads_them_again(
    bundle: Bundle, tmp_path: Path
) -> None:
    copied, engine = copy_of(bundle, tmp_path), MortalEngine()
    with running(create_app(Settings(), engine, [Deployed(copied, "preview")])) as service:
        (copied.folder / "task" / "more.py").write_text("")
        engine.failure = DEATH
        eventually(lambda: "more.py" in service.chat().text, "a refusal that names the file")
        assert engine.starts == 1


def test_a_silent_engine_makes_the_service_not_ready_until_it_answers_again(serve: Serve) -> None:
    engine = MortalEngine(lasting=True)
    service = serve(engine)
    engine.failure = EngineSilent("nothing came back for 21 s, although requests wait.")
    eventually(lambda: unavailable(service), "not ready")
    engine.failure = None
    eventually(lambda: ready(service), "ready again")
    assert engine.starts == 1


def test_an_engine_that_stays_silent_for_as_long_as_an_answer_may_take_is_started_again(serve: Serve) -> None:
    engine = MortalEngine()
    service = serve(engine, answer_seconds=1.0)
    engine.failure = EngineSilent("nothing came back for 21 s, although requests wait.")
    eventually(lambda: engine.starts == 2 and ready(service), "another start")


@pytest.mark.parametrize("recovery", ["exit", "restart"])
def test_a_service_whose_engine_is_lost_ends_with_the_reason(
    recovery: Literal["restart", "exit"], bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.models.recovery._FIRST_WAIT", 0.0)
    engine = MortalEngine(lasting=True)

    def die(_: str) -> None:
        engine.failure = DEATH

    settings = Settings(port=0, engine_recovery=recovery)
    with pytest.raises(KitError, match=r"The engine scripted was lost: the engine's process has ended\.") as lost:
        asyncio.run(serve_until_stopped(settings, engine, [Deployed(bundle, "preview")], die))
    assert engine.starts == (1 if recovery == "exit" else 6)
    assert ("It is not restarted." in str(lost.value)) == (recovery == "exit")


def test_restarts_wait_longer_each_time_and_end_after_five_in_ten_minutes() -> None:
    now = 0.0
    back_off = BackOff(lambda: now)
    assert [back_off.next_wait() for _ in range(6)] == [0.0, 1.0, 2.0, 4.0, 8.0, None]
    now = 601.0
    assert back_off.next_wait() == 0.0


def test_an_engine_is_silent_only_while_requests_wait_and_nothing_comes_back() -> None:
    now = 0.0
    pulse = Pulse(lambda: now)
    now = 100.0
    assert pulse.silence == 0.0
    with pulse.waiting():
        now = 130.0
        assert pulse.silence == 30.0
        with pulse.waiting():
            assert pulse.silence == 30.0
        pulse.heard()
        now = 131.0
        assert pulse.silence == 1.0
    assert (pulse.silence, pulse.quiet) == (0.0, 1.0)
