"""The engines of a service: one for all adapters on a base, and one for each bundle of merged weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from kit.engines.base import Engine
from serving.models.catalogue import Deployed


class Fleet:
    """Engines that start, stop and are healthy together.

    `shared` serves the adapters, and every merged bundle that has no engine of its own in `merged` (by digest).
    """

    def __init__(self, shared: Engine | None, merged: Mapping[str, Engine] | None = None) -> None:
        self.shared = shared
        self._merged = dict(merged or {})

    @property
    def engines(self) -> Sequence[Engine]:
        """Every engine."""
        return [*([self.shared] if self.shared else []), *self._merged.values()]

    def engine_of(self, deployed: Deployed) -> Engine:
        """Return the engine that answers with a bundle."""
        engine = self._merged.get(deployed.bundle.digest, self.shared)
        assert engine is not None, f"no engine was made for {deployed.pinned_name}"
        return engine

    def behind(self, wrap: Callable[[Engine], Engine]) -> Fleet:
        """Return a fleet of the same engines, each wrapped."""
        shared = wrap(self.shared) if self.shared else None
        return Fleet(shared, {digest: wrap(engine) for digest, engine in self._merged.items()})

    async def start(self) -> None:
        """Start the engines, one after the other: each takes all cores, or a share of the device's memory, to load."""
        for engine in self.engines:
            await engine.start()

    async def stop(self) -> None:
        """Stop all of them."""
        for engine in self.engines:
            await engine.stop()

    async def health(self) -> None:
        """Return when all can work; raise KitError with the reason of the first that cannot."""
        for engine in self.engines:
            await engine.health()


def as_fleet(engines: Engine | Fleet) -> Fleet:
    """Return a fleet of the one engine that serves every bundle, or the fleet itself."""
    return engines if isinstance(engines, Fleet) else Fleet(engines)
