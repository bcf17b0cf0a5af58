"""The bundles to serve with their status, and, after verification, the models that answer requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.bundle.attestation import Attestation, Status, shortfalls, was_measured
from kit.bundle.manifest import MANIFEST_FILE
from kit.bundle.store import Bundle
from kit.chat import Renderer
from kit.engines.base import Engine
from kit.errors import InputError, Problem, Refused
from kit.task import Task
from serving.errors import ServiceError
from serving.limits.context_limit import ContextLimit
from serving.settings import Settings

_DIGEST_PREFIX = 12


@dataclass(frozen=True)
class Deployed:
    """A bundle to serve, its attestations, and the status that follows from them."""

    bundle: Bundle
    status: Status
    attestations: tuple[Attestation, ...] = ()

    @property
    def adapter(self) -> str | None:
        """The name of the bundle's adapter in the engine: its digest. None for merged weights."""
        return self.bundle.digest if self.bundle.seal.form == "adapter" else None

    @property
    def pinned_name(self) -> str:
        """A model id that can only mean this bundle: its name and the first characters of its digest."""
        return f"{self.bundle.seal.name}@{self.bundle.digest[:_DIGEST_PREFIX]}"


@dataclass(frozen=True)
class Model:
    """A verified bundle: its public id, its index among the served bundles, its engine, and its task by typed route."""

    id: str
    index: int
    deployed: Deployed
    engine: Engine
    renderer: Renderer
    context_limit: ContextLimit
    tasks: Mapping[str, Task[Any, Any]]
    created: int


class Catalogue:
    """The models of one engine; the first is the default."""

    def __init__(self, models: Sequence[Model]) -> None:
        self.models = tuple(models)
        self._named = {model.deployed.pinned_name: model for model in models} | {model.id: model for model in models}

    def find(self, name: str | None, param: str = "model") -> Model:
        """Return the model with this name, or the default if there is no name. Raises ServiceError (404) if unknown."""
        return self._find(name, param, self.models)

    def find_for(self, route: str, name: str | None, param: str) -> Model:
        """Return the model with this name, or the default, among those that answer a typed route. Raises as `find`."""
        return self._find(name, param, [model for model in self.models if route in model.tasks])

    def _find(self, name: str | None, param: str, among: Sequence[Model]) -> Model:
        model = self._named.get(name) if name else among[0]
        if model is None or model not in among:
            known = ", ".join(model.id for model in among)
            raise ServiceError(404, "model_not_found", f"There is no model '{name}'. Known: {known}.", param)
        return model


def make_model(id: str, index: int, deployed: Deployed, engine: Engine, renderer: Renderer) -> Model:
    """Load a bundle's tasks; call it only after its files are verified."""
    bundle = deployed.bundle
    tasks = {task.route: task for task in bundle.tasks()}
    created = int((bundle.folder / MANIFEST_FILE).stat().st_mtime)
    context = ContextLimit.of(renderer, engine.capabilities.max_length)
    return Model(id, index, deployed, engine, renderer, context, tasks, created)


def model_ids(deployed: Sequence[Deployed]) -> list[str]:
    """Return a public id for each bundle: its name, followed by part of its digest if two bundles share the name."""
    names = Counter(each.bundle.seal.name for each in deployed)
    return [each.bundle.seal.name if names[each.bundle.seal.name] == 1 else each.pinned_name for each in deployed]


def check_compatible(deployed: Sequence[Deployed]) -> None:
    """Raise InputError if one engine cannot serve these bundles behind the same routes."""
    if not deployed:
        raise InputError("There is no bundle to serve.", next="Make one with: kit train")
    seals = [each.bundle.seal for each in deployed]
    if len({each.bundle.digest for each in deployed}) < len(deployed):
        raise InputError("The same bundle is named twice.", next="Name each bundle once.")
    if len(seals) > 1 and any(seal.form == "merged" for seal in seals):
        raise InputError("A merged bundle is served alone.", next="Serve several bundles as adapters on one base.")
    if len({seal.base.weights_digest for seal in seals}) > 1:
        raise InputError("The bundles were trained on different base models.", next="Start one service for each.")
    shapes: dict[str, str] = {}
    for task in (task for seal in seals for task in seal.tasks):
        if shapes.setdefault(task.route, task.schema_digest) != task.schema_digest:
            raise InputError(
                f"Two bundles answer {task.route} with different types.", next="Start one service for each."
            )


def exposed_previews(settings: Settings, deployed: Sequence[Deployed]) -> list[str]:
    """Return the names of the preview bundles that other machines could reach."""
    return [each.pinned_name for each in deployed if each.status != "verified" and settings.beyond_loopback]


def check_exposure(settings: Settings, deployed: Sequence[Deployed]) -> None:
    """Raise Refused if other machines could reach a preview bundle and the settings do not allow it."""
    previews = exposed_previews(settings, deployed)
    if previews and not settings.expose_preview:
        raise Refused([_exposed(each, settings) for each in deployed if each.pinned_name in previews])


def _exposed(preview: Deployed, settings: Settings) -> Problem:
    """Say which gates a preview lacks. Advise a measurement only if none was made yet."""
    reasons = " ".join(shortfalls(preview.attestations))
    advice = f"Serve it on 127.0.0.1, not {settings.host}, or train it again."
    if not was_measured(preview.attestations):
        advice = (
            f"Measure it with: kit eval {preview.bundle.digest[:_DIGEST_PREFIX]}. Until then serve it on 127.0.0.1."
        )
    return Problem(f"{preview.pinned_name} is a preview. {reasons}", next=advice)
