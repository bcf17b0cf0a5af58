"""Moves aliases of a project's store, after the bundle is verified."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

from kit.bundle.attestation import shortfalls, status_of, status_sentence, was_measured
from kit.bundle.store import AliasMove, Bundle, Store
from kit.bundle.verify import verify_files
from kit.errors import InputError, Problem, Refused, nearest
from kit.project.project import Project
from kit.workflows.aliases import AliasState, ServiceState
from kit.workflows.steps.auditing import did

_SHORT = 12
_ASK_SECONDS = 10


def moved(project: Path, ref: str, alias: str, override: str) -> AliasState:
    """Point an alias at a bundle. Raises Refused if its files changed or its gates did not all hold."""
    store = Store(Project.find(project).root)
    bundle = store.get(ref)
    verify_files(bundle)
    held = status_of(store.attestations(bundle.digest)) == "verified"
    if not held and not override:
        raise Refused([_not_held(store, bundle)])
    did(store.root, "promote", alias=alias, bundle=bundle.digest, override="" if held else override)
    store.alias(alias, bundle.digest, "" if held else override)
    return _state(store, alias)


def tried(project: Path, ref: str, alias: str, override: str, percent: float) -> AliasState:
    """Put a bundle on trial beside that of an alias, which must exist. Raises as `moved` does."""
    store = Store(Project.find(project).root)
    current = _history(store, alias)[-1]
    bundle = store.get(ref)
    if bundle.digest == current.digest:
        raise InputError(f"The alias '{alias}' points at this bundle already.", next="Name another bundle to try.")
    verify_files(bundle)
    if status_of(store.attestations(bundle.digest)) != "verified" and not override:
        raise Refused([_not_held(store, bundle)])
    did(store.root, "try", alias=alias, bundle=bundle.digest, percent=percent, override=override)
    store.alias(alias, current.digest, override or current.override, bundle.digest, percent)
    return _state(store, alias)


def moved_back(project: Path, alias: str) -> AliasState:
    """Point an alias at the bundle before, or end its trial. The reason that the earlier move gave is kept."""
    store = Store(Project.find(project).root)
    history = _history(store, alias)
    earlier = history[-1] if history[-1].candidate else _before(history)
    if earlier is None:
        raise InputError(f"The alias '{alias}' has pointed at one bundle only.", next="Promote another one first.")
    bundle = store.get(earlier.digest)
    verify_files(bundle)
    did(store.root, "rollback", alias=alias, bundle=earlier.digest)
    store.alias(alias, earlier.digest, earlier.override)
    return _state(store, alias)


def states(project: Path) -> tuple[AliasState, ...]:
    """Return the state of every alias."""
    store = Store(Project.find(project).root)
    return tuple(_state(store, name) for name in store.aliases())


def asked(url: str) -> ServiceState:
    """Ask a running service whether it is ready, and what it answers with."""
    advice = "Give the address that `kit serve` printed, such as http://127.0.0.1:8000"
    if not url.startswith(("http://", "https://")):
        raise InputError("This is no address of a service.", f"--url {url}", advice)
    address = url.rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=_ASK_SECONDS) as answer:
            said = json.load(answer)
        models = {each["id"]: {"bundle": each["bundle"], "status": each["status"]} for each in said["models"]}
        found = ServiceState(address, True, "", models, said["aliases"], said["trials"], said["alias_problems"])
    except urllib.error.HTTPError as error:
        return ServiceState(address, False, _reason(error))
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"No service of this kit answers there: {reason}.", f"--url {url}", advice) from None
    return found


def _reason(error: urllib.error.HTTPError) -> str:
    """Return the sentence in an error's body, or the status if there is none."""
    try:
        return str(json.load(error)["error"]["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"It answers with the status {error.code}."


def _history(store: Store, alias: str) -> list[AliasMove]:
    history = list(store.history(alias))
    if not history:
        advice = nearest(alias, list(store.aliases())) or "Make it with: kit promote BUNDLE"
        raise InputError(f"There is no alias '{alias}'.", next=advice)
    return history


def _before(history: list[AliasMove]) -> AliasMove | None:
    """Return the last move to another bundle than the current one."""
    return next((move for move in reversed(history) if move.digest != history[-1].digest), None)


def _state(store: Store, alias: str) -> AliasState:
    history = _history(store, alias)
    current, earlier = history[-1], _before(history)
    status = status_sentence(store.attestations(current.digest))
    return AliasState(
        alias,
        current.digest,
        current.at,
        earlier.digest if earlier else None,
        status,
        current.override,
        current.candidate or None,
        current.percent,
    )


def _not_held(store: Store, bundle: Bundle) -> Problem:
    attestations = store.attestations(bundle.digest)
    name = f"{bundle.seal.name}@{bundle.digest[:_SHORT]}"
    advice = 'Train it again, or promote it all the same with a reason: --override "REASON"'
    if not was_measured(attestations):
        advice = f"Measure it with: kit eval {bundle.digest[:_SHORT]}"
    return Problem(f"{name} is a preview. {' '.join(shortfalls(attestations))}", next=advice)
