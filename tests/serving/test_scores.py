"""Every response links the scores of its bundle, with the meaning of its status."""

from __future__ import annotations

from typing import Any

from kit.bundle.attestation import Attestation, make_attestation
from kit.bundle.store import Bundle
from serving.models.catalogue import Deployed
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service

GATE = {"name": "counter: same", "outcome": "held", "value": 0.9, "threshold": 0.8, "reason": "0.900, and 0.8 is …"}
TASK = {"task": "counter", "examples": 40, "metrics": [{"metric": "same", "tuned": {"value": 0.9}}]}


def evaluation(bundle: Bundle, sequence: int, **changes: Any) -> Attestation:
    payload = {"gates": [{**GATE, **changes}], "tasks": [TASK]}
    return make_attestation("evaluation", bundle.digest, sequence, f"2026-11-0{sequence}T00:00:00+00:00", payload)


def test_a_response_links_the_scores_of_its_bundle(serve: Serve, bundle: Bundle) -> None:
    attestations = (evaluation(bundle, 1, outcome="failed"), evaluation(bundle, 2))
    service = serve(bundles=[Deployed(bundle, "verified", attestations)])
    for answer in (service.chat(), service.chat(stream=True), service.http.post("/v1/counter", json={"text": "x"})):
        assert answer.links["describedby"]["url"] == "/scores"
    (scores,) = service.http.get(answer.links["describedby"]["url"]).json()["data"]
    assert (scores["bundle"], scores["name"], scores["status"]) == (bundle.digest, "counter", "verified")
    assert (scores["gates"], scores["tasks"]) == ([GATE], [TASK])
    assert scores["evaluated_at"] == "2026-11-02T00:00:00+00:00"
    assert "does not mean that an answer is right" in scores["meaning"]


def test_a_bundle_that_was_never_measured_says_so(service: Service, bundle: Bundle) -> None:
    (scores,) = service.http.get("/scores").json()["data"]
    assert (scores["status"], scores["evaluated_at"], scores["gates"], scores["tasks"]) == ("preview", None, [], [])
    assert "Do not rely on its answers" in scores["meaning"]


def test_scores_are_available_before_the_service_is_ready(serve: Serve) -> None:
    engine = ControlledEngine()
    engine.may_start.clear()
    service = serve(engine, ready=False)
    assert service.http.get("/readyz").status_code == 503
    assert service.http.get("/scores").status_code == 200
    engine.may_start.set()


def test_an_altered_evaluation_does_not_count(serve: Serve, bundle: Bundle) -> None:
    altered = Attestation("evaluation", bundle.digest, 0, "", {}, "", fault="/somewhere/file was altered.")
    service = serve(bundles=[Deployed(bundle, "preview", (evaluation(bundle, 1), altered))])
    answer = service.http.get("/scores")
    (scores,) = answer.json()["data"]
    assert scores["faults"] == ["An evaluation was altered after it was written, so it does not count."]
    assert "somewhere" not in answer.text
