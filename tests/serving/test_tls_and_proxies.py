"""TLS by certificate files, forwarded headers from named proxies only, and the names that the service answers to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from starlette.requests import Request

from kit.bundle.store import Bundle
from kit.errors import InputError
from kit.system import health
from serving.guard.tls import tls_files
from serving.models.catalogue import Deployed
from serving.server import serve as serve_app
from serving.settings import Settings
from tests.serving.conftest import Serve
from tests.serving.controlled_engine import ControlledEngine
from tests.serving.http import PATIENCE, running


def certificate(folder: Path, name: str = "here") -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1, signed by its own key, and that key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}-key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@contextmanager
def served(bundle: Bundle, settings: Settings) -> Iterator[str]:
    """Run the service as `kit serve` does, in a thread; yield the address that it announces."""
    announced: list[str] = []
    known, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def announce(url: str) -> None:
        announced.append(url)
        known.set()

    work = serve_app(settings, ControlledEngine(), [Deployed(bundle, "verified")], announce, stop)
    thread = threading.Thread(target=lambda: loop.run_until_complete(work), daemon=True)
    thread.start()
    try:
        assert known.wait(PATIENCE)
        yield announced[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)


def test_a_service_with_a_certificate_speaks_tls_only(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate(tmp_path)
    with served(bundle, Settings(port=0, tls_certificate=cert, tls_key=key)) as url:
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(cert))
        assert httpx.get(f"{url}/readyz", verify=trusting).json()["status"] == "ready"
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{url}/readyz")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/readyz".replace("https", "http"))
        monkeypatch.setenv("DOMAINKIT_PORT", url.rsplit(":", 1)[1])
        monkeypatch.setenv("DOMAINKIT_TLS_CERTIFICATE", str(cert))
        assert health.problem(health.url()) is None
        monkeypatch.delenv("DOMAINKIT_TLS_CERTIFICATE")
        assert health.problem(health.url()) is not None


def test_files_of_tls_that_do_not_fit_are_refused_with_a_sentence(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    _, other = certificate(tmp_path, "other")
    assert tls_files(Settings(tls_certificate=cert, tls_key=key)) == (cert, key)
    for settings, says in [
        (Settings(tls_certificate=cert), "needs a certificate and its private key"),
        (Settings(tls_certificate=cert, tls_key=tmp_path / "no.pem"), "There is no such file"),
        (Settings(tls_certificate=cert, tls_key=other), "cannot be used together"),
        (Settings(tls_certificate=key, tls_key=cert), "cannot be used together"),
    ]:
        with pytest.raises(InputError, match=says):
            tls_files(settings)


@pytest.mark.parametrize(
    ("proxies", "client", "scheme"),
    [
        ([], "127.0.0.1", "http"),
        (["192.0.2.0/24"], "127.0.0.1", "http"),
        (["127.0.0.1"], "203.0.113.9", "https"),
        (["127.0.0.0/8"], "203.0.113.9", "https"),
    ],
)
def test_only_a_named_proxy_may_say_who_the_client_is(
    proxies: list[str], client: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    app = FastAPI()

    @app.get("/who")
    async def who(request: Request) -> list[str]:
        assert request.client is not None
        return [request.client.host, request.url.scheme]

    with running(app, ready=False, settings=Settings(proxies=proxies)) as service:
        forwarded = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
        assert service.http.get("/who", headers=forwarded).json() == [client, scheme]


def test_a_name_that_is_not_the_service_s_own_is_421(serve: Serve) -> None:
    service = serve(hosts=["api.example.org", "127.0.0.1", "::1"])
    for host in ("api.example.org", "API.example.org:8000", "127.0.0.1:1", "[::1]:8000", "api.example.org."):
        assert service.http.get("/v1/models", headers={"host": host}).status_code == 200, host
    for host in ("example.org", "evil.example", "api.example.org.evil.example", "[::2]"):
        refused = service.http.get("/v1/models", headers={"host": host})
        assert (refused.status_code, refused.json()["error"]["code"]) == (421, "unknown_host"), host
        assert service.http.get("/readyz", headers={"host": host}).status_code == 200
