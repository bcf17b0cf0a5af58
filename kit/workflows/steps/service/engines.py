"""The engines of a service before they are made: one for all adapters, and one for each bundle of merged weights."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kit.bundle.store import Bundle
from kit.engines import Kind, check_installed, make_engine
from kit.engines.admission import check_model
from kit.engines.base import EngineConfig
from kit.engines.vllm.arguments import check_arguments
from kit.errors import InputError
from kit.recipe import VllmSection
from kit.system.hashes import Digest
from kit.workflows.steps.engines import engine_config, engine_kind
from serving.models.fleet import Fleet
from serving.settings import Settings

_MEMORY_SHARE = 0.9  # of a GPU, for all engines together; vLLM's own default for one


@dataclass(frozen=True)
class PlannedEngine:
    """An engine to start, and the digest of the merged bundle that has it alone; None: it serves the adapters."""

    kind: Kind
    config: EngineConfig
    merged: str | None = None


def plan_engines(
    bundles: Sequence[Bundle], root: Path, settings: Settings, digest: Digest
) -> tuple[PlannedEngine, ...]:
    """Return the engines that these bundles need. vLLM's arguments are checked here, before anything loads.

    Raises InputError, also if the engines together would take more than a GPU's memory; MissingExtra and Refused.
    """
    merged = [bundle for bundle in bundles if bundle.seal.form == "merged"]
    adapters = [bundle for bundle in bundles if bundle.seal.form == "adapter"]
    if settings.base and not adapters:
        raise InputError("A merged bundle is served without its base.", "--base", "Leave out --base.")
    wanted = settings.engine or bundles[0].recipe.serve.engine
    if wanted == "upstream":
        return (PlannedEngine("upstream", _upstream_config(bundles, settings)),)
    groups = [*([adapters] if adapters else []), *([bundle] for bundle in merged)]
    planned = []
    for group in groups:
        kind = engine_kind(group, wanted)
        made = _config(group, root, settings, kind, digest)
        planned.append(PlannedEngine(kind, made, group[0].digest if group[0].seal.form == "merged" else None))
    return _with_memory(planned)


def check_engines(planned: Sequence[PlannedEngine]) -> None:
    """Raise MissingExtra if an engine is not installed, and InputError if it cannot start on its model's folder."""
    for each in planned:
        check_installed(each.kind)
        if each.kind != "upstream":
            check_model(each.config)


def make_fleet(planned: Sequence[PlannedEngine]) -> Fleet:
    """Return the engines, not started yet; their packages are imported here. Raises MissingExtra."""
    made = {each.merged: make_engine(each.kind, each.config) for each in planned}
    shared = made.pop(None, None)
    return Fleet(shared, {digest: engine for digest, engine in made.items() if digest is not None})


def _config(group: Sequence[Bundle], root: Path, settings: Settings, kind: Kind, digest: Digest) -> EngineConfig:
    base = settings.base if group[0].seal.form == "adapter" else None
    made = engine_config(group, root, settings.threads, base, digest)
    vllm = _vllm_arguments(group[0], settings)
    if kind == "vllm":
        check_arguments(vllm.extra)
    log = _log_file() if kind == "vllm" else None
    length = settings.max_length or made.max_length
    return replace(made, vllm=vllm, log=log, max_length=length, silent_seconds=settings.silent_seconds)


def _with_memory(planned: Sequence[PlannedEngine]) -> tuple[PlannedEngine, ...]:
    """Divide a GPU's memory among several vLLM engines, unless the user did. Raises InputError for more than all."""
    sharing = [each for each in planned if each.kind == "vllm"]
    if len(sharing) < 2:
        return tuple(planned)
    share = round(_MEMORY_SHARE / len(sharing), 3)
    divided = [_with_share(each, share) if each in sharing else each for each in planned]
    total = sum(each.config.vllm.gpu_memory_utilization or 0.0 for each in divided if each.kind == "vllm")
    if total > 1:
        what = f"{len(sharing)} engines would take {total:.2f} of the GPU's memory together."
        raise InputError(what, "vllm.gpu_memory_utilization", f"Leave it out, or set at most {1 / len(sharing):.2f}.")
    return tuple(divided)


def _with_share(planned: PlannedEngine, share: float) -> PlannedEngine:
    vllm = planned.config.vllm
    if vllm.gpu_memory_utilization is not None:
        return planned
    shared = vllm.model_copy(update={"gpu_memory_utilization": share})
    return replace(planned, config=replace(planned.config, vllm=shared))


def _upstream_config(bundles: Sequence[Bundle], settings: Settings) -> EngineConfig:
    """Return the configuration for another server: of the bundle only the tokenizer is needed here."""
    if settings.upstream is None:
        raise InputError("The engine 'upstream' needs a server.", "upstream.url", "Give its address: --url URL")
    if len(bundles) > 1:
        raise InputError("Another server answers for one bundle.", next="Start one service for each.")
    length = settings.max_length or bundles[0].recipe.serve.max_length
    return EngineConfig(model=bundles[0].tokenizer_folder, max_length=length, upstream=settings.upstream)


def _vllm_arguments(bundle: Bundle, settings: Settings) -> VllmSection:
    """Return the recipe's arguments for vLLM with those of the service over them."""
    recipe, service = bundle.recipe.serve.vllm, settings.vllm
    over = service.model_dump(exclude_unset=True, exclude={"extra"})
    return recipe.model_copy(update={**over, "extra": {**recipe.extra, **service.extra}})


def _log_file() -> Path:
    """Return the file for vLLM's own messages: a new one for each process."""
    state = os.environ.get("XDG_STATE_HOME")
    place = (Path(state) if state else Path.home() / ".local" / "state") / "domainkit"
    try:
        place.mkdir(parents=True, exist_ok=True)
        usable = os.access(place, os.W_OK)
    except OSError:
        usable = False
    folder = place if usable else Path(tempfile.gettempdir())
    return folder / f"vllm-{os.getpid()}.log"
