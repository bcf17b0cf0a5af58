"""What every route that answers shares: the models, the worker processes, the settings, and how a model is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from starlette.requests import Request

from serving.errors import ServiceError
from serving.guard.caller import caller_of
from serving.ledger.account import Accounts, MeteredEngine
from serving.limits.context_limit import ContextLimit
from serving.middleware import record_bundle
from serving.models.catalogue import Catalogue, Model
from serving.models.trials import KEY_HEADER, Watched, chosen
from serving.observability.metrics import Metrics
from serving.observability.typed_answers import TypedAnswers
from serving.settings import Settings
from serving.workers.pool import Workers


@dataclass(frozen=True)
class Answering:
    """The parts of a running service that routes work with."""

    catalogue: Catalogue
    workers: Workers
    settings: Settings
    accounts: Accounts = field(default_factory=Accounts)
    typed_answers: TypedAnswers = field(default_factory=lambda: TypedAnswers(Metrics()))

    @property
    def limits(self) -> list[ContextLimit]:
        """The context limit of each model."""
        return [model.context_limit for model in self.catalogue.models]

    def choose(self, request: Request, name: str | None, param: str = "model") -> Model:
        """Return the model that answers a request, and record it for the response headers.

        An empty name means the default. Raises ServiceError: 404 if there is no such model, 403 if the key does not
        open it.
        """
        return self._chosen(request, name, self.catalogue.find(name, param))

    def _chosen(self, request: Request, name: str | None, model: Model, route: str | None = None) -> Model:
        """Return the model that was found, or the one on trial if this client meets it; record the model."""
        state = request.scope["state"]
        pointed = self.catalogue.pointed(name)
        if (forced := state.get("forced")) is not None:
            model = forced
        elif pointed is not None and pointed.model is model and pointed.can_try(route):
            model = chosen(pointed, request.headers.get(KEY_HEADER))
            if pointed.percent == 0:
                state["watched"] = Watched(pointed)
            elif model is pointed.trial:
                pointed.counts.answered += 1
        return self._record(request, model)

    def _record(self, request: Request, model: Model) -> Model:
        """Record the model for the headers, count the request, and meter its engine; the middleware ends all three.

        Raises ServiceError (403) if the caller's key does not open this bundle.
        """
        bundle = model.deployed.bundle
        if not caller_of(request.scope).scopes.allow_bundle(bundle.seal.name, bundle.digest):
            raise ServiceError(403, "bundle_not_allowed", f"This key does not open the model '{model.id}'.", "model")
        record_bundle(request.scope, model.deployed)
        self.catalogue.lease(model)
        state, deployed = request.scope["state"], model.deployed
        route = getattr(request.scope.get("route"), "path", "")
        account = self.accounts.open(state, route, deployed.bundle.digest, deployed.bundle.seal.name)
        state.setdefault("leases", []).extend((lambda: self.catalogue.release(model), account.end))
        state["account"] = account
        return replace(model, engine=MeteredEngine(model.engine, account))

    def choose_for(self, request: Request, route: str, name: str | None, param: str) -> Model:
        """Choose as `choose` does, among the models that answer a typed route."""
        return self._chosen(request, name, self.catalogue.find_for(route, name, param), route)
