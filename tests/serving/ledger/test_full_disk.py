"""A full disk, or a database that is away: no row is lost, and a service that cannot record refuses new requests."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from kit.bundle.store import Bundle
from kit.errors import KitError
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually, running
from tests.serving.ledger.conftest import Place
from tests.serving.ledger.counting import CountingEngine
from tests.serving.ledger.full_disk import largest_file


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "state", None)


def metric(service: Service, name: str) -> float:
    lines = service.http.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def ask(service: Service, times: int) -> list[httpx.Response]:
    return [service.chat() for _ in range(times)]


def test_rows_wait_on_the_board_then_requests_are_refused_and_all_is_written_when_there_is_room(
    serve: Serve, place: Place
) -> None:
    engine = CountingEngine()
    service = serve(engine, state=place.state, ledger_waiting=5)
    engine.forget()
    with largest_file(1):
        answers = ask(service, 7)
        assert [each.status_code for each in answers] == [200] * 5 + [503] * 2
        error = answers[-1].json()["error"]
        assert error["code"] == "ledger_full"
        assert error["message"].startswith("The service cannot record what a request uses, so it answers none.")
        assert answers[-1].headers["retry-after"] == "5"
        eventually(lambda: metric(service, "domainkit_ledger_healthy") == 0, "the metrics say so")
        assert metric(service, "domainkit_ledger_waiting") == 5
        assert service.http.get("/readyz").status_code == 200
    eventually(lambda: metric(service, "domainkit_ledger_waiting") == 0, "every row is written")
    assert service.chat().status_code == 200
    eventually(lambda: place.tokens() == (engine.read, engine.written), "the sums are the engine's")
    assert place.usage().total.requests == 6


def test_with_the_setting_answer_requests_go_on_and_those_that_no_row_has_are_counted(
    serve: Serve, place: Place
) -> None:
    service = serve(state=place.state, ledger_waiting=2, ledger_full="answer")
    with largest_file(1):
        assert [each.status_code for each in ask(service, 5)] == [200] * 5
        assert metric(service, "domainkit_ledger_uncounted_total") == 3
    eventually(lambda: place.usage().total.requests == 2, "what could be recorded is")


def test_a_service_that_ends_with_a_full_disk_keeps_its_rows_for_the_next_start(bundle: Bundle, place: Place) -> None:
    engine = CountingEngine()
    app = create_app(Settings(state=place.state), engine, [Deployed(bundle, "preview")])
    with running(app) as service:
        engine.forget()
        ask(service, 1)
        eventually(lambda: place.usage().total.requests == 1, "the first row is written")
        with largest_file(1):
            ask(service, 3)
            app.state.accounts.ledger.close()
    assert place.tokens() == (engine.read, engine.written)
    assert place.usage().total.requests == 4


def test_a_folder_that_cannot_be_written_refuses_the_start(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refusals: list[str] = []
    settings = Settings(state=tmp_path / "file" / "state")
    app = create_app(settings, ControlledEngine(), [Deployed(bundle, "preview")], refusals.append)
    with running(app, ready=False) as service:
        eventually(lambda: refusals != [], "the start is refused")
        assert "The ledger cannot be written" in refusals[0]
        assert service.http.get("/readyz").status_code == 503


def test_a_database_that_is_away_refuses_the_start_and_no_password_is_shown(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    refusals: list[str] = []
    settings = Settings(state=tmp_path, ledger="postgresql://someone:hush@127.0.0.1:1/nowhere")
    app = create_app(settings, ControlledEngine(), [Deployed(bundle, "preview")], refusals.append)
    with running(app, ready=False):
        eventually(lambda: refusals != [], "the start is refused")
    assert "The ledger's database does not answer" in refusals[0]
    assert "hush" not in refusals[0]


def test_a_database_without_a_folder_is_a_mistake(bundle: Bundle) -> None:
    with pytest.raises(KitError, match="The ledger needs a folder"):
        create_app(Settings(ledger="sqlite:////tmp/x.sqlite"), ControlledEngine(), [Deployed(bundle, "preview")])
