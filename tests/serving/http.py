"""Run an application on a real port in a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import openai
import uvicorn
from fastapi import FastAPI

from serving.server import configuration, listen
from serving.settings import Settings

PATIENCE = 60.0


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds; fail with its description after `PATIENCE` seconds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"This did not happen within {PATIENCE:.0f} s: {what}."
        time.sleep(0.01)


@dataclass(frozen=True)
class Service:
    """A running service and its clients."""

    url: str
    http: httpx.Client
    app: FastAPI

    def openai(self, retries: int = 0) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="any", max_retries=retries)

    def chat(self, **fields: object) -> httpx.Response:
        body = {"messages": [{"role": "user", "content": "Hello"}], **fields}
        return self.http.post("/v1/chat/completions", json=body)


@contextmanager
def running(app: FastAPI, ready: bool = True, settings: Settings | None = None) -> Iterator[Service]:
    """Serve an application until the block ends; with `ready`, wait until it is ready."""
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(configuration(app, settings or Settings(drain_seconds=5)))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx.Client(base_url=url, timeout=PATIENCE) as client:
            if ready:
                eventually(lambda: client.get("/readyz").status_code == 200, "ready")
            yield Service(url, client, app)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
