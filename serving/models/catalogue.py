"""The bundles to serve with their status, and, after verification, the models that answer requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from kit.bundle.attestation import Attestation, Status, shortfalls, status_sentence, was_measured
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
SignatureStatus = Literal["not required", "signed", "unsigned"]


@dataclass(frozen=True)
class Deployed:
    """A bundle to serve, its attestations that count, and the status that follows from them.

    Where signatures are required: whether a trusted signer signed it, the signers, and the attestations that do not
    count because they are not signed.
    """

    bundle: Bundle
    status: Status
    attestations: tuple[Attestation, ...] = ()
    signature: SignatureStatus = "not required"
    signers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def adapter(self) -> str | None:
        """The name of the bundle's adapter in the engine: its digest. None for merged weights."""
        return self.bundle.digest if self.bundle.seal.form == "adapter" else None

    @property
    def pinned_name(self) -> str:
        """A model id that can only mean this bundle: its name and the first characters of its digest."""
        return f"{self.bundle.seal.name}@{self.bundle.digest[:_DIGEST_PREFIX]}"

    @property
    def sentence(self) -> str:
        """Its status with the reason, and who signed it where signatures are required."""
        if self.signature == "unsigned":
            return "Status: preview (no trusted signer has signed it)."
        signed = f" Signed by {' and '.join(self.signers)}." if self.signers else ""
        others = f" Not signed, so not counted: {', '.join(self.left_out)}." if self.left_out else ""
        return f"{status_sentence(self.attestations)}{signed}{others}"


@dataclass(frozen=True, eq=False)
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

    def at(self, index: int) -> Model:
        """Return the same model with another index among the bundles that workers handle."""
        return replace(self, index=index)


@dataclass
class TrialCounts:
    """How many requests of an alias the bundle on trial answered, and how its answers to copies compare."""

    answered: int = 0
    same: int = 0
    different: int = 0
    failed: int = 0
    not_compared: int = 0
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class Pointed:
    """Where an alias points: its model, and perhaps a second model on trial, which answers `percent` of 100.

    With 0 percent the other answers copies that no client sees.
    """

    alias: str
    model: Model
    trial: Model | None = None
    percent: float = 0.0
    counts: TrialCounts = field(default_factory=TrialCounts)

    def can_try(self, route: str | None) -> bool:
        """Whether a model is on trial, and answers this typed route; None: any other route."""
        return self.trial is not None and (route is None or route in self.trial.tasks)

    @property
    def digests(self) -> tuple[str, str, float]:
        """What an alias's last move must say for this to be current."""
        trial = self.trial.deployed.bundle.digest if self.trial else ""
        return self.model.deployed.bundle.digest, trial, self.percent


class Catalogue:
    """The models of a service, and the aliases that point at them; the first model is the default.

    Models can be added and removed while the service runs. `problems` says why an alias could not move.
    """

    def __init__(self, models: Sequence[Model], default_alias: str | None = None) -> None:
        self._declared = tuple(models)
        self._models = list(models)
        self._aliases: dict[str, Pointed] = {}
        self._default_alias = default_alias
        self._leases: Counter[str] = Counter()
        self.problems: dict[str, str] = {}

    @property
    def models(self) -> tuple[Model, ...]:
        """Every model that answers."""
        return tuple(self._models)

    @property
    def aliases(self) -> Mapping[str, Pointed]:
        """Where each alias points."""
        return MappingProxyType(self._aliases)

    def pointed(self, name: str | None) -> Pointed | None:
        """Return where an alias points, or the default alias if there is no name; None if the name is no alias."""
        return self._aliases.get(name or self._default_alias or "")

    def find(self, name: str | None, param: str = "model") -> Model:
        """Return the model with this name, or the default if there is no name. Raises ServiceError (404) if unknown.

        A name is a public id, an alias, `name@digest`, a digest, or its first characters.
        """
        return self._find(name, param, self._models)

    def find_for(self, route: str, name: str | None, param: str) -> Model:
        """Return the model with this name, or the default, among those that answer a typed route. Raises as `find`."""
        return self._find(name, param, [model for model in self._models if route in model.tasks])

    def _find(self, name: str | None, param: str, among: Sequence[Model]) -> Model:
        pointed = self._aliases.get(self._default_alias or "")
        default = pointed.model if pointed else None
        model = self._named(name) if name else default if default in among else among[0]
        if model is None or model not in among:
            known = ", ".join([*(model.id for model in among), *self._aliases])
            raise ServiceError(404, "model_not_found", f"There is no model '{name}'. Known: {known}.", param)
        return model

    def _named(self, name: str) -> Model | None:
        if name in self._aliases:
            return self._aliases[name].model
        found = [model for model in self._models if name in (model.id, model.deployed.pinned_name)]
        if not found and len(name) >= _DIGEST_PREFIX:
            found = [model for model in self._models if model.deployed.bundle.digest.startswith(name)]
        return found[0] if found else None

    def with_digest(self, digest: str) -> Model | None:
        """Return the model of a bundle; None if it is not loaded."""
        return next((model for model in self._models if model.deployed.bundle.digest == digest), None)

    def point(self, pointed: Pointed) -> None:
        """Point an alias at a model; requests that run keep theirs."""
        self._aliases[pointed.alias] = pointed
        self.problems.pop(pointed.alias, None)

    def add(self, model: Model) -> None:
        """Add a model that was proved."""
        self._models.append(model)

    def remove(self, model: Model) -> None:
        """Remove a model: no request can choose it any more."""
        self._models.remove(model)

    def lease(self, model: Model) -> None:
        """Count a request that a model answers."""
        self._leases[model.deployed.bundle.digest] += 1

    def release(self, model: Model) -> None:
        """Count the end of a request."""
        self._leases[model.deployed.bundle.digest] -= 1

    def unused(self) -> list[Model]:
        """Return the models that no start declared, no alias names and no request uses."""
        kept = [*self._declared, *(model for each in self._aliases.values() for model in (each.model, each.trial))]
        return [
            model
            for model in self._models
            if all(model is not each for each in kept) and not self._leases[model.deployed.bundle.digest]
        ]


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
    """Raise InputError if one service cannot serve these bundles behind the same routes."""
    if not deployed:
        raise InputError("There is no bundle to serve.", next="Make one with: kit train")
    seals = [each.bundle.seal for each in deployed]
    if len({each.bundle.digest for each in deployed}) < len(deployed):
        raise InputError("The same bundle is named twice.", next="Name each bundle once.")
    if len({seal.base.weights_digest for seal in seals if seal.form == "adapter"}) > 1:
        raise InputError("The adapters were trained on different base models.", next="Start one service for each base.")
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
    """Raise Refused if other machines could reach a preview or unsigned bundle and the settings do not allow it."""
    unsigned = [_unsigned(each, settings) for each in deployed if each.signature != "signed"]
    if unsigned and settings.signatures_required and settings.beyond_loopback:
        raise Refused(unsigned)
    previews = exposed_previews(settings, deployed)
    if previews and not settings.expose_preview:
        raise Refused([_exposed(each, settings) for each in deployed if each.pinned_name in previews])


def _unsigned(deployed: Deployed, settings: Settings) -> Problem:
    advice = f"Let its signer sign it (kit sign), or serve it on 127.0.0.1, not {settings.host}."
    return Problem(f"{deployed.pinned_name} is not signed by a trusted signer.", next=advice)


def _exposed(preview: Deployed, settings: Settings) -> Problem:
    """Say which gates a preview lacks. Advise a measurement only if none was made yet."""
    reasons = " ".join(shortfalls(preview.attestations))
    advice = f"Serve it on 127.0.0.1, not {settings.host}, or train it again."
    if not was_measured(preview.attestations):
        advice = (
            f"Measure it with: kit eval {preview.bundle.digest[:_DIGEST_PREFIX]}. Until then serve it on 127.0.0.1."
        )
    return Problem(f"{preview.pinned_name} is a preview. {reasons}", next=advice)
