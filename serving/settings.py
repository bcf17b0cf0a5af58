"""All settings of the service in one frozen object."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from kit.bundle.signing.trust import Identity
from kit.engines.upstream.settings import UpstreamSettings
from kit.recipe import VllmSection
from serving.guard.key_limits import NO_LIMITS, KeyLimits
from serving.guard.oidc_settings import OidcSettings
from serving.ledger.prices import Prices

ENVIRONMENT = "DOMAINKIT_"


class Settings(BaseSettings):
    """Settings of one service. Only `serving.settings_sources` reads a file and the environment."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT, env_nested_delimiter="__", validate_default=False
    )

    host: Annotated[str, Field(min_length=1, description="Address to listen on")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 selects a free one")] = 8000
    body_bytes: Annotated[int, Field(ge=1024, description="Largest request body in bytes")] = 32 * 1024 * 1024
    body_seconds: Annotated[float, Field(gt=0, description="Longest time in seconds for a request body to arrive")] = (
        60.0
    )
    answer_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds for an answer, streamed or not")
    ] = 600.0
    all_bodies_bytes: Annotated[
        int, Field(ge=1024, description="Largest size in bytes of all request bodies at the same time; others get 503")
    ] = 1024 * 1024 * 1024
    send_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds for a client to read a piece of its answer")
    ] = 60.0
    concurrent_requests: Annotated[int, Field(ge=1, description="Requests answered at the same time; others wait")] = (
        256
    )
    waiting_requests: Annotated[
        int, Field(ge=0, description="Requests that wait for their turn at the same time; others get 429")
    ] = 64
    waiting_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds that a request waits for its turn; then it gets 503")
    ] = 30.0
    concurrent_generations: Annotated[
        int, Field(ge=1, description="Prompts in an engine at the same time; keys and requests take turns for them")
    ] = 256
    generations_per_request: Annotated[
        int, Field(ge=1, description="Prompts of one request in an engine at the same time, such as a document's parts")
    ] = 16
    key_limits: Annotated[
        KeyLimits, Field(description="Limits of every key that has none of its own; without keys those of all callers")
    ] = NO_LIMITS
    task_workers: Annotated[int, Field(ge=1, description="Processes that parse and render requests")] = 4
    task_seconds: Annotated[
        float, Field(gt=0, description="Longest time in seconds to parse a request or its answers")
    ] = 60.0
    engine_recovery: Annotated[
        Literal["restart", "exit"],
        Field(description="What to do when an engine dies: start and prove it again, or end the service"),
    ] = "restart"
    silent_seconds: Annotated[
        float, Field(gt=0, description="Seconds in which requests wait for vLLM and nothing comes back: not ready then")
    ] = 20.0
    drain_seconds: Annotated[int, Field(ge=0, description="Seconds for running requests to finish at shutdown")] = 30
    expose_preview: Annotated[
        bool, Field(description="Let other machines reach a bundle whose gates did not all hold; every answer says so")
    ] = False
    require_signature: Annotated[
        list[Path],
        Field(description="Public keys or root certificates (PEM files): other machines reach only what they signed"),
    ] = []
    require_identity: Annotated[
        list[Identity], Field(description="Signers of Sigstore (identity and issuer), as require_signature")
    ] = []

    state: Annotated[
        Path | None,
        Field(description="Folder of the ledger and the audit log; null: .kit/service of the project, if it has one"),
    ] = None
    ledger: Annotated[
        str | None,
        Field(description="URL of the ledger's database, such as postgresql://…; null: SQLite in the folder `state`"),
    ] = None
    ledger_full: Annotated[
        Literal["refuse", "answer"],
        Field(description="What happens to a request that cannot be recorded: it gets 503, or an answer all the same"),
    ] = "refuse"
    ledger_waiting: Annotated[
        int, Field(ge=1, le=1_000_000, description="Requests that may wait on disk for the ledger's database")
    ] = 4096
    prices: Annotated[Prices, Field(description="What the ledger charges")] = Prices()
    log: Annotated[
        Literal["text", "json"], Field(description="Form of the log; json also has a line for each request")
    ] = "text"
    traces: Annotated[
        str | None, Field(description="Address of an OpenTelemetry collector (OTLP over HTTP), for one span a request")
    ] = None

    keys: Annotated[
        Path | None,
        Field(description="File of the keys that open the service; null: keys.json of the project, if there is one"),
    ] = None
    oidc: Annotated[
        OidcSettings | None,
        Field(description="An OpenID Connect issuer whose tokens open the service, beside the keys"),
    ] = None
    expose_without_keys: Annotated[
        bool, Field(description="Let other machines call a service that has no keys; every answer says so")
    ] = False
    tls_certificate: Annotated[
        Path | None, Field(description="PEM file of the certificate, with those between it and the root; null: no TLS")
    ] = None
    tls_key: Annotated[Path | None, Field(description="PEM file of the certificate's private key")] = None
    proxies: Annotated[
        list[str],
        Field(description="Addresses or networks of proxies whose headers say who the client is (x-forwarded-for)"),
    ] = []
    hosts: Annotated[
        list[str], Field(description="Names in the Host header that are answered, such as api.example.org; empty: all")
    ] = []
    cors_origins: Annotated[
        list[str], Field(description="Origins of web pages whose scripts may call the service; * for all")
    ] = []
    engine: Annotated[
        Literal["auto", "vllm", "local", "upstream"] | None,
        Field(description="Engine that answers; null: from the bundle's recipe"),
    ] = None
    base: Annotated[Path | None, Field(description="Folder of the base model; null: where the bundle says")] = None
    threads: Annotated[int | None, Field(ge=1, description="CPU threads of the engine; null: one per core")] = None
    max_length: Annotated[int | None, Field(ge=64, description="Context in tokens; null: from the bundle's recipe")] = (
        None
    )
    vllm: Annotated[VllmSection, Field(description="Arguments of vLLM, over those of the bundle's recipe")] = (
        VllmSection()
    )
    upstream: Annotated[UpstreamSettings | None, Field(description="The server behind the engine `upstream`")] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take only what the caller gives, so that an object never depends on the environment by surprise."""
        return (init_settings,)

    @property
    def signatures_required(self) -> bool:
        """Whether only what a trusted signer vouches for counts."""
        return bool(self.require_signature or self.require_identity)

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the service; a host name other than localhost counts as reachable."""
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return self.host != "localhost"
