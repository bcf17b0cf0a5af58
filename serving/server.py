"""Runs the application on a socket of its own until it is told to stop; a refusal is raised, not served."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence

import uvicorn

from kit.engines.base import Engine
from kit.errors import InputError
from serving.app import create_app
from serving.catalogue import Deployed, check_exposure, check_together
from serving.proof import verified_models
from serving.readiness import Readiness
from serving.settings import Settings

_BACKLOG = 2048
_log = logging.getLogger(__name__)


async def serve(
    settings: Settings,
    engine: Engine,
    bundles: Sequence[Deployed],
    announce: Callable[[str], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or `stop`; requests that are running then finish first.

    A signal is raised again; signals are handled only in a process's main thread.

    `announce` gets the service's URL once every bundle is verified. Raises the KitError for which the service can never
    become ready, and InputError where the port cannot be had.
    """
    app = create_app(settings, engine, bundles, tell=lambda _: None)
    readiness: Readiness = app.state.readiness
    listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    server = uvicorn.Server(config)
    watching = [asyncio.create_task(_watch(readiness, server, lambda: announce(_url(settings.host, port))))]
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


def rehearse(settings: Settings, bundles: Sequence[Deployed], context: int) -> None:
    """Check all that a start would check before its engine comes up: together, exposure, port, files, renders, tasks.

    `context` is what the engine would have, in tokens. Raises what the start would raise.
    """
    check_together(bundles)
    check_exposure(settings, bundles)
    listen(settings.host, settings.port).close()
    verified_models(bundles, context)


async def _watch(readiness: Readiness, server: uvicorn.Server, announce: Callable[[], None]) -> None:
    await readiness.settled()
    if readiness.ready:
        announce()
    else:
        server.should_exit = True


async def _exit_after(stop: asyncio.Event, server: uvicorn.Server) -> None:
    await stop.wait()
    server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that a port that is taken is known before anything is loaded.

    Its protocol is named, because asyncio sets TCP_NODELAY only on the connections of a socket that says it is TCP.
    Raises InputError where the address cannot be had.
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
            advice = "Choose another; 0 takes any free one."
            raise InputError(f"Port {port} on {host} is in use.", next=advice) from None
        raise InputError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None
    return listener


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
