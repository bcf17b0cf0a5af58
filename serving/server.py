"""Run the application on its own socket until a signal stops it. If it can never become ready, raise the reason."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI

from kit.engines.base import Engine
from kit.errors import InputError
from kit.system.files import file_digest
from kit.system.hashes import Digest
from serving.app import create_app
from serving.draining import DrainingServer
from serving.guard.exposure import check_keys
from serving.guard.tls import tls_files
from serving.limits.heads import BoundedHeads
from serving.models.aliases import Followed
from serving.models.catalogue import Deployed, check_compatible, check_exposure
from serving.models.fleet import Fleet, as_fleet
from serving.models.verification import verified_models
from serving.observability.logs import set_up
from serving.readiness import Readiness
from serving.settings import Settings

_BACKLOG = 2048
_LAST_SECONDS = 1  # for what still runs after the time for draining
_log = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    engine: Engine | Fleet,
    bundles: Sequence[Deployed],
    announce: Callable[[str], None],
    stop: asyncio.Event | None = None,
    digest: Digest = file_digest,
    phase: Callable[[str], None] = _log.info,
    followed: Followed | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or `stop`; then let running requests finish. A signal is raised again afterwards.

    Signals are handled only in the main thread of a process.

    `announce` gets the service's URL when every bundle is verified; the rest is as in `create_app`. Raises
    the KitError that prevents the service from becoming ready, and InputError if the port is not free.
    """
    set_up(settings.log)
    app = create_app(settings, engine, bundles, lambda _: None, digest, phase, followed)
    readiness: Readiness = app.state.readiness
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    server = DrainingServer(configuration(app, settings), readiness, settings.drain_seconds)
    watching = [asyncio.create_task(_watch(readiness, server, lambda: announce(_url(settings, port))))]
    if stop is not None:
        watching.append(asyncio.create_task(_exit_after(stop, server)))
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in watching:
            task.cancel()
        listener.close()
    if readiness.refusal is not None:
        raise readiness.refusal


def configuration(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how the application is served: heads with limits, TLS by files, forwarded headers of named proxies only.

    Raises InputError if the files of TLS cannot be used.
    """
    certificate, key = tls_files(settings)
    return uvicorn.Config(
        app,
        http=BoundedHeads,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=settings.proxies,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def rehearse(
    settings: Settings, bundles: Sequence[Deployed], engine: Engine | Fleet, digest: Digest = file_digest
) -> None:
    """Make all checks of a start that need no running engine: compatibility, exposure, port, files, renders, tasks.

    Raises the error that the start would raise.
    """
    check_compatible(bundles)
    check_exposure(settings, bundles)
    check_keys(settings)
    tls_files(settings)
    listen(settings.host, settings.port).close()
    verified_models(bundles, as_fleet(engine), digest)


async def _watch(readiness: Readiness, server: uvicorn.Server, announce: Callable[[], None]) -> None:
    await readiness.wait_until_decided()
    if readiness.refusal is None:
        announce()
        await readiness.wait_until_refused()
    server.should_exit = True


async def _exit_after(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Call it before loading anything, so that an occupied port is known early.

    The protocol is explicit, because asyncio sets TCP_NODELAY only if the socket says that it is TCP.
    Raises InputError if the address is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            advice = "Choose another port; 0 selects a free one."
            raise InputError(f"Port {port} on {host} is in use.", next=advice) from None
        raise InputError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    return listener


def _url(settings: Settings, port: int) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_certificate else 'http'}://{host}:{port}"
