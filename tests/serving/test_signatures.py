"""Where signatures are required, only what a trusted signer signed counts; a bad signature is never served."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.bundle.signing.library import WithKey
from kit.bundle.signing.sign import sign_bundle
from kit.bundle.store import Bundle, Store
from kit.errors import Refused
from serving.app import create_app
from serving.models.aliases import Followed
from serving.models.catalogue import Deployed
from serving.models.standing import judged
from serving.settings import Settings
from tests.kit.bundle.signers import FAILED, HELD, Keys, make_keys, measure, measured_project
from tests.serving.bundles import TASK, weightless_bundle
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import Service, eventually, running

HEADER = "x-domainkit-signature"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path)


def sign(store: Store, bundle: Bundle, keys: Keys) -> None:
    place = store.attestations_folder(bundle.digest)
    sign_bundle(bundle, store.attestations(bundle.digest), place, WithKey(keys.private))


def deployed(store: Store, bundle: Bundle, settings: Settings) -> Deployed:
    place = store.attestations_folder(bundle.digest)
    return judged(bundle, store.attestations(bundle.digest), place, settings)


def requiring(keys: Keys, **others: Any) -> Settings:
    return Settings(require_signature=[keys.public], **others)


def answers(service: Service) -> list[Any]:
    http = service.http
    return [
        service.chat(),
        service.chat(stream=True),
        http.post("/v1/counter", json={"text": "x"}),
        http.get("/nowhere"),
    ]


def test_an_unsigned_bundle_is_a_preview_on_loopback_and_every_answer_says_so(tmp_path: Path, keys: Keys) -> None:
    store, bundle = measured_project(tmp_path)
    settings = requiring(keys)
    unsigned = deployed(store, bundle, settings)
    assert unsigned.sentence == "Status: preview (no trusted signer has signed it)."
    with running(create_app(settings, ControlledEngine(), [unsigned])) as service:
        for answer in answers(service):
            assert (answer.headers[HEADER], answer.headers["x-domainkit-status"]) == ("unsigned", "preview")
        (model,) = service.http.get("/readyz").json()["models"]
        assert (model["signature"], model["status"]) == ("unsigned", "preview")
        (scores,) = service.http.get("/scores").json()["data"]
        assert (scores["gates"], scores["faults"]) == (
            [],
            ["An attestation is not signed by a trusted signer, so it does not count."],
        )


@pytest.mark.parametrize("others", [{}, {"expose_preview": True}])
def test_an_unsigned_bundle_is_not_served_to_other_machines(tmp_path: Path, keys: Keys, others: dict[str, Any]) -> None:
    store, bundle = measured_project(tmp_path)
    settings = requiring(keys, host="0.0.0.0", **others)
    with pytest.raises(Refused, match=r"counter@\w+ is not signed by a trusted signer"):
        create_app(settings, ControlledEngine(), [deployed(store, bundle, settings)])
    with pytest.raises(Refused, match="is not signed by a trusted signer"):  # also if nobody looked for a signature
        create_app(settings, ControlledEngine(), [Deployed(bundle, "verified")])


def test_a_signed_bundle_whose_signed_gates_held_is_served_to_other_machines(tmp_path: Path, keys: Keys) -> None:
    store, bundle = measured_project(tmp_path)
    sign(store, bundle, keys)
    settings = requiring(keys, host="0.0.0.0", expose_without_keys=True)
    with running(create_app(settings, ControlledEngine(), [deployed(store, bundle, settings)])) as service:
        for answer in answers(service):
            assert (answer.headers[HEADER], answer.headers["x-domainkit-status"]) == ("signed", "verified")
        (model,) = service.http.get("/readyz").json()["models"]
        assert model["signature"] == "signed"


def test_a_forged_evaluation_does_not_open_the_service_to_other_machines(tmp_path: Path, keys: Keys) -> None:
    store, bundle = measured_project(tmp_path, [FAILED])
    sign(store, bundle, keys)
    forged = measure(store, bundle, HELD)
    exposed: dict[str, Any] = {"host": "0.0.0.0", "expose_without_keys": True}
    create_app(Settings(**exposed), ControlledEngine(), [deployed(store, bundle, Settings())])  # no signature required
    settings = requiring(keys, **exposed)
    found = deployed(store, bundle, settings)
    assert f"Not signed, so not counted: {forged.name}." in found.sentence
    with pytest.raises(Refused, match="Gate accuracy failed"):
        create_app(settings, ControlledEngine(), [found])


def _by_another_key(store: Store, bundle: Bundle, keys: Keys) -> None:
    sign(store, bundle, make_keys(keys.public.parent, "other"))


def _of_another_bundle(store: Store, bundle: Bundle, keys: Keys) -> None:
    other = weightless_bundle(store.root / "other", name="other")
    sign_bundle(other, (), store.attestations_folder(bundle.digest), WithKey(keys.private))


def _swapped(store: Store, bundle: Bundle, keys: Keys) -> None:
    sign(store, bundle, keys)
    (signed,) = store.attestations_folder(bundle.digest).glob("*.json")
    signed.unlink()
    measure(store, bundle, HELD, HELD)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_by_another_key, "which is not trusted here"),
        (_of_another_bundle, "the signature of another bundle"),
        (_swapped, "is missing, or was altered after it was signed"),
    ],
)
def test_a_bad_signature_is_refused_on_loopback_too(
    tmp_path: Path, keys: Keys, damage: Callable[[Store, Bundle, Keys], None], says: str
) -> None:
    store, bundle = measured_project(tmp_path)
    damage(store, bundle, keys)
    with pytest.raises(Refused, match=says):
        deployed(store, bundle, requiring(keys))


def test_without_the_setting_nothing_about_signatures_is_said(tmp_path: Path) -> None:
    store, bundle = measured_project(tmp_path)
    app = create_app(Settings(), ControlledEngine(), [deployed(store, bundle, Settings())])
    with running(app) as service:
        assert all(HEADER not in answer.headers for answer in answers(service))
        assert service.http.get("/readyz").json()["models"][0]["signature"] == "not required"


def test_an_alias_moves_only_to_what_the_signer_signed(tmp_path: Path, keys: Keys) -> None:
    store, first = measured_project(tmp_path, form="adapter")
    sign(store, first, keys)
    moved = []
    for number in range(2):
        made = weightless_bundle(tmp_path / str(number), form="adapter", task=f"{TASK}\n# {number}\n")
        shutil.copytree(made.folder, store.root / "bundles" / "sha256" / made.digest)
        moved.append(store.get(made.digest))
    second, strange = moved
    measure(store, second, HELD)
    sign(store, second, keys)
    _by_another_key(store, strange, keys)
    store.alias("production", first.digest)
    settings = requiring(keys)
    engine = ControlledEngine(adapters=[first.digest])
    followed = Followed(store.root, ("production",), "production")
    app = create_app(settings, engine, [deployed(store, first, settings)], followed=followed)
    with running(app) as service:

        def ready() -> dict[str, Any]:
            return dict(service.http.get("/readyz").json())

        store.alias("production", strange.digest)
        eventually(lambda: "not trusted here" in str(ready()["alias_problems"]), "the move is refused")
        assert ready()["aliases"] == {"production": first.digest}
        store.alias("production", second.digest)
        eventually(lambda: ready()["aliases"] == {"production": second.digest}, "the alias follows")
        assert service.chat().headers[HEADER] == "signed"
