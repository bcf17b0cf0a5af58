"""Verify bundles and serve them: in the background, or until the process is asked to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kit.workflows.events import Report, ignore

if TYPE_CHECKING:
    from kit.workflows.steps.service.background import Background

EngineName = Literal["auto", "vllm", "local", "upstream"]


@dataclass(frozen=True)
class ServicePlan:
    """The plan of a service: the digests of its bundles, its engine and its address.

    `status` has a sentence per bundle: it is verified, or why it is not.
    """

    bundles: tuple[str, ...]
    engine: str
    host: str
    port: int
    status: tuple[str, ...]


@dataclass(frozen=True)
class Serving:
    """An event: every bundle is verified, and the service answers at `url`.

    `status` has a sentence per bundle; `curl` is a request that works as it is written.
    """

    url: str
    bundles: tuple[str, ...]
    engine: str
    status: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    curl: str = ""


class Service:
    """A service that runs in the background. Leaving its `with` block stops it."""

    def __init__(self, ready: Serving, background: Background) -> None:
        self.url = ready.url
        self.bundles = ready.bundles
        self.engine = ready.engine
        self._background = background

    def __repr__(self) -> str:
        return f"Service(url={self.url!r}, bundles={self.bundles!r}, engine={self.engine!r})"

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the service has stopped, or for `seconds`; return whether it has stopped.

        Raises the error that ended it.
        """
        return self._background.wait(seconds)

    def stop(self) -> None:
        """Let the running requests finish, then stop the service and its engine. A second call does nothing."""
        self._background.stop()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def plan_serve(
    project: str | Path = ".",
    bundles: str | Sequence[str] = "latest",
    *,
    engine: EngineName | None = None,
    host: str | None = None,
    port: int | None = None,
    base: str | Path | None = None,
    threads: int | None = None,
    expose_preview: bool | None = None,
    require_signature: Sequence[str | Path] | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    attestations: str | Path | None = None,
    rehash: bool = False,
) -> ServicePlan:
    """Make the checks that `serve` makes before its engine starts, and return the plan. Raises as `serve` does."""
    from kit.workflows.steps.service.start import prepare, rehearsed

    flags = _flags(settings, engine=engine, host=host, port=port, base=base, threads=threads, expose=expose_preview)
    flags |= _trusted(require_signature)
    return rehearsed(prepare(project, bundles, flags, config, attestations, rehash))


def serve(
    project: str | Path = ".",
    bundles: str | Sequence[str] = "latest",
    *,
    engine: EngineName | None = None,
    host: str | None = None,
    port: int | None = 0,
    base: str | Path | None = None,
    threads: int | None = None,
    expose_preview: bool | None = None,
    require_signature: Sequence[str | Path] | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    attestations: str | Path | None = None,
    rehash: bool = False,
    report: Report = ignore,
) -> Service:
    """Start a service in the background, and return it once every bundle is verified.

    `bundles` are digests, beginnings of digests, aliases or folders: one merged bundle, or adapters of one base. Port 0
    takes any free one. `base` is the folder of the base model, where it has moved since training. `threads` are the
    engine's CPU threads (default: one per core). `expose_preview` lets other machines reach a bundle with failed gates.
    `require_signature` has public keys or root certificates (PEM files): only what they signed counts, and other
    machines reach no unsigned bundle.
    `config` is a YAML file of settings; `settings` has other settings by name, and wins over the environment and the
    file, as every argument does. `attestations` is the folder with those of a bundle outside a project. `rehash` reads
    every file again, instead of trusting remembered hashes of unchanged files.

    Raises InputError for wrong arguments, Refused if a bundle is not what was measured.
    """
    from kit.workflows.steps.service.start import in_background, prepare

    flags = _flags(settings, engine=engine, host=host, port=port, base=base, threads=threads, expose=expose_preview)
    flags |= _trusted(require_signature)
    return in_background(prepare(project, bundles, flags, config, attestations, rehash), report)


def run_service(
    project: str | Path = ".",
    bundles: str | Sequence[str] = "latest",
    *,
    engine: EngineName | None = None,
    host: str | None = None,
    port: int | None = None,
    base: str | Path | None = None,
    threads: int | None = None,
    expose_preview: bool | None = None,
    require_signature: Sequence[str | Path] | None = None,
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    attestations: str | Path | None = None,
    rehash: bool = False,
    report: Report = ignore,
) -> None:
    """Serve as `serve` does, until the process gets SIGINT or SIGTERM; reports `Serving` once the service is ready.

    Call it in the main thread. The signal is raised again after the running requests have finished.
    """
    from kit.workflows.steps.service.start import prepare, until_stopped

    flags = _flags(settings, engine=engine, host=host, port=port, base=base, threads=threads, expose=expose_preview)
    flags |= _trusted(require_signature)
    until_stopped(prepare(project, bundles, flags, config, attestations, rehash), report)


@dataclass(frozen=True)
class ServiceSettings:
    """The settings that a service would have, with secrets hidden, and the place that each comes from."""

    settings: Mapping[str, Any]
    places: Mapping[str, str]
    text: str


def service_settings(config: str | Path | None = None, settings: Mapping[str, Any] | None = None) -> ServiceSettings:
    """Return the settings that a service would have; `text` is a file for --config.

    Raises InputError with every mistake and its place.
    """
    from serving.settings_sources import resolve

    resolved = resolve(settings or {}, None if config is None else Path(config))
    return ServiceSettings(dict(resolved.data()), dict(resolved.places), resolved.as_yaml())


def _flags(settings: Mapping[str, Any] | None, *, expose: bool | None, **named: Any) -> dict[str, Any]:
    """Return the settings that the caller gave, by name."""
    return {**(settings or {}), **{name: value for name, value in named.items() if value is not None}} | (
        {} if expose is None else {"expose_preview": expose}
    )


def _trusted(files: Sequence[str | Path] | None) -> dict[str, Any]:
    """Return the setting of trusted signers, if the caller gave it."""
    return {"require_signature": [str(file) for file in files]} if files else {}
