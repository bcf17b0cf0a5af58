"""The list of models, their names, and which model answers a request."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from kit.engines.base import Generation
from kit.errors import InputError
from serving.app import create_app
from serving.models.catalogue import Deployed
from serving.models.fleet import Fleet
from serving.settings import Settings
from tests.serving.bundles import TASK, weightless_bundle
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, running

OTHER_TASK = TASK.replace('present": ', 'present":').replace("Count the windows", "Count all windows")
OTHER_TYPES = TASK.replace("with_thing: int\n", "with_thing: int\n    extra: int = 0\n")


def adapters(place: Path, *named: tuple[str, str]) -> list[Deployed]:
    """Adapter bundles of one base, each with a name and a task."""
    return [
        Deployed(weightless_bundle(place / str(number), name, "adapter", task), "verified")
        for number, (name, task) in enumerate(named)
    ]


def test_the_model_list_has_the_fields_that_clients_read(service: Service) -> None:
    for path in ("/v1/models", "/models"):
        listed = service.http.get(path).json()
        assert listed["object"] == "list"
        assert listed["has_more"] is False
        (entry,) = listed["data"]
        assert entry.keys() == {"id", "object", "created", "owned_by", "bundle", "max_model_len"}
        assert (entry["id"], entry["object"], entry["max_model_len"]) == ("counter", "model", 2048)
    assert service.openai().models.retrieve("counter").id == "counter"


@pytest.mark.parametrize("model", [None, "", "counter"])
def test_a_request_without_model_gets_the_default_model(service: Service, model: str | None) -> None:
    assert service.chat(model=model).json()["model"] == "counter"


def test_chat_is_also_available_without_v1(service: Service) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    assert service.http.post("/chat/completions", json=body).status_code == 200


def test_a_percent_encoded_id_with_a_slash_is_found(serve: Serve, tmp_path: Path) -> None:
    deployed = adapters(tmp_path, ("counter", TASK))[0]
    seal = deployed.bundle.seal.model_copy(update={"name": "team/counter"})
    named = Deployed(type(deployed.bundle)(deployed.bundle.digest, deployed.bundle.folder, seal), "verified")
    service = serve(ControlledEngine(adapters=[named.bundle.digest]), [named])
    assert service.http.get("/v1/models/team%2Fcounter").json()["id"] == "team/counter"
    assert service.openai().models.retrieve("team/counter").id == "team/counter"
    assert service.chat(model="team/counter").status_code == 200


def test_two_adapters_answer_under_their_own_names(serve: Serve, tmp_path: Path) -> None:
    first, second = adapters(tmp_path, ("counter", TASK), ("teller", OTHER_TASK))
    engine = ControlledEngine(adapters=[first.bundle.digest, second.bundle.digest])
    service = serve(engine, [first, second])
    assert [entry["id"] for entry in service.http.get("/v1/models").json()["data"]] == ["counter", "teller"]
    assert service.chat().headers["x-domainkit-bundle"] == first.bundle.digest
    assert engine.requests[-1].adapter == first.bundle.digest
    assert service.chat(model="teller").headers["x-domainkit-bundle"] == second.bundle.digest
    assert engine.requests[-1].adapter == second.bundle.digest
    typed = service.http.post("/v1/counter", json={"text": "x"}, headers={"x-domainkit-model": "teller"})
    assert (typed.status_code, typed.headers["x-domainkit-bundle"]) == (200, second.bundle.digest)
    assert engine.requests[-1].adapter == second.bundle.digest
    unknown = service.http.post("/v1/counter", json={"text": "x"}, headers={"x-domainkit-model": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "x-domainkit-model")


def test_bundles_with_the_same_name_are_distinguished_by_their_digests(serve: Serve, tmp_path: Path) -> None:
    deployed = adapters(tmp_path, ("counter", TASK), ("counter", OTHER_TASK))
    service = serve(ControlledEngine(adapters=[each.bundle.digest for each in deployed]), deployed)
    ids = [entry["id"] for entry in service.http.get("/v1/models").json()["data"]]
    assert ids == [f"counter@{each.bundle.digest[:12]}" for each in deployed]
    assert service.chat(model=ids[1]).headers["x-domainkit-bundle"] == deployed[1].bundle.digest
    assert service.chat(model="counter").status_code == 404


def test_a_name_with_digest_selects_one_bundle(service: Service) -> None:
    digest = service.chat().headers["x-domainkit-bundle"]
    assert service.chat(model=f"counter@{digest[:12]}").status_code == 200


def test_bundles_that_cannot_share_an_engine_are_refused(tmp_path: Path) -> None:
    first, other = adapters(tmp_path, ("counter", TASK), ("teller", OTHER_TYPES))
    seal = first.bundle.seal
    elsewhere = seal.model_copy(update={"base": seal.base.model_copy(update={"weights_digest": "0" * 64})})
    on_another_base = Deployed(type(first.bundle)("f" * 64, first.bundle.folder, elsewhere), "verified")
    for bundles, expected in (
        ([first, other], "different types"),
        ([first, first], "twice"),
        ([first, on_another_base], "different base"),
        ([], "no bundle"),
    ):
        with pytest.raises(InputError, match=expected):
            create_app(Settings(), ControlledEngine(), bundles)


def _says(line: str, _: Generation) -> str:
    return line


def test_each_merged_bundle_is_answered_by_its_own_engine(tmp_path: Path) -> None:
    (first,) = adapters(tmp_path, ("counter", TASK))
    two = [Deployed(weightless_bundle(tmp_path / name, name), "verified") for name in ("east", "west")]
    names = [each.bundle.digest for each in two]
    engines = {digest: ControlledEngine(partial(_says, f"from {digest[:8]}")) for digest in names}
    shared = ControlledEngine(lambda _: "from the adapter", adapters=[first.bundle.digest])
    with running(create_app(Settings(), Fleet(shared, engines), [first, *two])) as service:
        said = {name: service.chat(model=name) for name in ("counter", "east", "west")}
        texts = {name: answer.json()["choices"][0]["message"]["content"] for name, answer in said.items()}
        assert texts == {
            "counter": "from the adapter",
            "east": f"from {names[0][:8]}",
            "west": f"from {names[1][:8]}",
        }
        assert said["west"].headers["x-domainkit-bundle"] == names[1]
        assert all(engine.started for engine in (shared, *engines.values()))
    assert all(engine.stopped for engine in (shared, *engines.values()))
