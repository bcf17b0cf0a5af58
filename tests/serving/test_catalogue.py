"""Which models there are, by which names, and which of them answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from serving.app import create_app
from serving.catalogue import Deployed
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.http import Service
from tests.serving.paper import TASK, paper_bundle
from tests.serving.stage import Stage

OTHER_TASK = TASK.replace('present": ', 'present":').replace("Counts what stands", "Counts all that stands")
OTHER_TYPES = TASK.replace("with_thing: int\n", "with_thing: int\n    extra: int = 0\n")


def adapters(place: Path, *named: tuple[str, str]) -> list[Deployed]:
    """Adapter bundles of one base: a name and a task each."""
    return [
        Deployed(paper_bundle(place / str(number), name, "adapter", task), "verified")
        for number, (name, task) in enumerate(named)
    ]


def test_models_are_listed_with_what_clients_read(service: Service) -> None:
    for path in ("/v1/models", "/models"):
        listed = service.http.get(path).json()
        assert listed["object"] == "list"
        assert listed["has_more"] is False
        (entry,) = listed["data"]
        assert entry.keys() == {"id", "object", "created", "owned_by", "max_model_len"}
        assert (entry["id"], entry["object"], entry["max_model_len"]) == ("counter", "model", 2048)
    assert service.openai().models.retrieve("counter").id == "counter"


@pytest.mark.parametrize("model", [None, "", "counter"])
def test_no_model_means_the_default(service: Service, model: str | None) -> None:
    assert service.chat(model=model).json()["model"] == "counter"


def test_chat_is_there_without_v1_too(service: Service) -> None:
    body = {"messages": [{"role": "user", "content": "Hello"}]}
    assert service.http.post("/chat/completions", json=body).status_code == 200


def test_a_percent_encoded_id_with_a_slash_is_found(serve: Serve, tmp_path: Path) -> None:
    deployed = adapters(tmp_path, ("counter", TASK))[0]
    seal = deployed.bundle.seal.model_copy(update={"name": "team/counter"})
    named = Deployed(type(deployed.bundle)(deployed.bundle.digest, deployed.bundle.folder, seal), "verified")
    service = serve(Stage(adapters=[named.bundle.digest]), [named])
    assert service.http.get("/v1/models/team%2Fcounter").json()["id"] == "team/counter"
    assert service.openai().models.retrieve("team/counter").id == "team/counter"
    assert service.chat(model="team/counter").status_code == 200


def test_two_adapters_answer_side_by_side_each_under_its_own_name(serve: Serve, tmp_path: Path) -> None:
    first, second = adapters(tmp_path, ("counter", TASK), ("teller", OTHER_TASK))
    stage = Stage(adapters=[first.bundle.digest, second.bundle.digest])
    service = serve(stage, [first, second])
    assert [entry["id"] for entry in service.http.get("/v1/models").json()["data"]] == ["counter", "teller"]
    assert service.chat().headers["x-domainkit-bundle"] == first.bundle.digest
    assert stage.requests[-1].adapter == first.bundle.digest
    assert service.chat(model="teller").headers["x-domainkit-bundle"] == second.bundle.digest
    assert stage.requests[-1].adapter == second.bundle.digest
    typed = service.http.post("/v1/counter", json={"text": "x"}, headers={"x-domainkit-model": "teller"})
    assert (typed.status_code, typed.headers["x-domainkit-bundle"]) == (200, second.bundle.digest)
    assert stage.requests[-1].adapter == second.bundle.digest
    unknown = service.http.post("/v1/counter", json={"text": "x"}, headers={"x-domainkit-model": "nobody"})
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "x-domainkit-model")


def test_bundles_of_one_name_are_told_apart_by_their_digests(serve: Serve, tmp_path: Path) -> None:
    deployed = adapters(tmp_path, ("counter", TASK), ("counter", OTHER_TASK))
    service = serve(Stage(adapters=[each.bundle.digest for each in deployed]), deployed)
    ids = [entry["id"] for entry in service.http.get("/v1/models").json()["data"]]
    assert ids == [f"counter@{each.bundle.digest[:12]}" for each in deployed]
    assert service.chat(model=ids[1]).headers["x-domainkit-bundle"] == deployed[1].bundle.digest
    assert service.chat(model="counter").status_code == 404


def test_a_name_with_its_digest_always_names_one_bundle(service: Service) -> None:
    digest = service.chat().headers["x-domainkit-bundle"]
    assert service.chat(model=f"counter@{digest[:12]}").status_code == 200


def test_bundles_that_cannot_be_served_together_are_refused_at_once(tmp_path: Path) -> None:
    first, other = adapters(tmp_path, ("counter", TASK), ("teller", OTHER_TYPES))
    merged = Deployed(paper_bundle(tmp_path / "merged", "merged"), "verified")
    seal = first.bundle.seal
    elsewhere = seal.model_copy(update={"base": seal.base.model_copy(update={"weights_digest": "0" * 64})})
    on_another_base = Deployed(type(first.bundle)("f" * 64, first.bundle.folder, elsewhere), "verified")
    for bundles, says in (
        ([first, other], "different types"),
        ([first, merged], "served alone"),
        ([first, first], "twice"),
        ([first, on_another_base], "different base"),
        ([], "no bundle"),
    ):
        with pytest.raises(InputError, match=says):
            create_app(Settings(), Stage(), bundles)
