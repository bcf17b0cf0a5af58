"""Tokens of an OpenID Connect issuer open the service; a real issuer on this machine signs them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from serving.guard import oidc
from serving.guard.caller import Scopes
from serving.guard.keys import new_key
from serving.guard.oidc_settings import OidcSettings
from tests.serving.conftest import Serve
from tests.serving.http import Service

AUDIENCE = "domainkit"


@dataclass
class Issuer:
    """An issuer with its keys by id; `asked` has the paths that it was asked for."""

    url: str = ""
    keys: dict[str, rsa.RSAPrivateKey] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    names_itself: str = ""

    def document(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.names_itself or self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": [self._public(id) for id in self.keys]} if path == "/keys" else None

    def _public(self, id: str) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[id].public_key()))
        return {**public, "kid": id, "use": "sig", "alg": "RS256"}

    def add_key(self, id: str) -> None:
        self.keys[id] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def token(self, key: str = "first", **claims: Any) -> str:
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 60}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(said, self.keys[key], "RS256", headers={"kid": key})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.add_key("first")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = made.document(self.path)
            self.send_response(404 if document is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def settings(issuer: Issuer, **more: Any) -> OidcSettings:
    return OidcSettings(issuer=issuer.url, audience=AUDIENCE, **more)


def said(service: Service, token: str, path: str = "/v1/models") -> tuple[int, str]:
    answer = service.http.get(path, headers={"authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def test_a_token_of_the_issuer_opens_the_service_and_its_keys_are_fetched_once(serve: Serve, issuer: Issuer) -> None:
    service = serve(oidc=settings(issuer))
    assert [said(service, issuer.token())[0] for _ in range(5)] == [200] * 5
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    assert service.http.get("/v1/models").status_code == 401
    assert service.http.get("/readyz").status_code == 200


Forge = Callable[[Issuer], str]
FORGED: Mapping[str, Forge] = {
    "another audience": lambda issuer: issuer.token(aud="another"),
    "another issuer": lambda issuer: issuer.token(iss="https://example.org"),
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "not valid yet": lambda issuer: issuer.token(nbf=int(time.time()) + 3600),
    "without an end": lambda issuer: issuer.token(exp=None),
    "without a subject": lambda issuer: issuer.token(sub=None),
    "signed by nobody": lambda issuer: jwt.encode({"sub": "ada"}, "", "none", headers={"kid": "first"}),
    "signed with the public key as a secret": lambda issuer: jwt.encode(
        {"sub": "ada"}, "x" * 64, "HS256", headers={"kid": "first"}
    ),
    "altered": lambda issuer: issuer.token()[:-8] + "AAAAAAAA",
    "no token": lambda issuer: "a.b.c",
    "no form of one": lambda issuer: "dk-wrong",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_valid_is_401(serve: Serve, issuer: Issuer, forge: Forge) -> None:
    service = serve(oidc=settings(issuer))
    assert said(service, issuer.token())[0] == 200
    assert said(service, forge(issuer)) == (401, "invalid_token")


def test_a_new_key_of_the_issuer_is_found_and_unknown_keys_do_not_make_it_busy(
    serve: Serve, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(oidc=settings(issuer))
    assert said(service, issuer.token())[0] == 200
    issuer.add_key("second")
    assert said(service, issuer.token("second")) == (401, "invalid_token")
    assert len(issuer.asked) == 2
    monkeypatch.setattr(oidc, "_SECONDS_BETWEEN_REQUESTS", 0.0)
    assert said(service, issuer.token("second"))[0] == 200
    assert len(issuer.asked) == 4


def test_scopes_of_a_token_are_those_that_the_settings_name(serve: Serve, issuer: Issuer) -> None:
    service = serve(oidc=settings(issuer, required_scope="use", admin_scope="rule"))
    assert said(service, issuer.token()) == (403, "scope_missing")
    assert said(service, issuer.token(scope="use"))[0] == 200
    assert said(service, issuer.token(scope="use"), "/admin/nowhere") == (403, "route_not_allowed")
    assert said(service, issuer.token(scope="use rule"), "/admin/nowhere")[0] == 404


def test_an_issuer_that_cannot_be_asked_or_says_another_name_opens_nothing(serve: Serve, issuer: Issuer) -> None:
    issuer.names_itself = "https://example.org"
    assert said(serve(oidc=settings(issuer)), issuer.token()) == (503, "issuer_unreachable")
    gone = OidcSettings(issuer="http://127.0.0.1:9", audience=AUDIENCE)
    assert said(serve(oidc=gone), issuer.token()) == (503, "issuer_unreachable")


def test_keys_and_tokens_open_the_service_side_by_side(serve: Serve, issuer: Issuer, tmp_path: Path) -> None:
    token = new_key(tmp_path / "keys.json", "acme", Scopes()).token
    service = serve(oidc=settings(issuer), keys=tmp_path / "keys.json")
    assert said(service, token)[0] == 200
    assert said(service, issuer.token())[0] == 200
    assert said(service, "dk-wrong") == (401, "invalid_api_key")


@pytest.mark.parametrize("url", ["http://example.org", "ftp://127.0.0.1", "http://127.0.0.1.example.org", "example"])
def test_an_issuer_beyond_this_machine_needs_tls(url: str) -> None:
    with pytest.raises(ValidationError):
        OidcSettings(issuer=url, audience=AUDIENCE)
