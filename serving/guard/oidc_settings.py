"""Settings of an OpenID Connect issuer whose tokens open the service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kit.recipe import Section

SAFE_ADDRESS = r"^(https://|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$))"


class OidcSettings(Section):
    """Whose tokens open the service, and which. Without TLS an issuer is trusted on this machine only."""

    issuer: Annotated[str, Field(pattern=SAFE_ADDRESS, description="Address of the issuer, exactly as its tokens say")]
    audience: Annotated[str, Field(min_length=1, description="The audience (aud) that a token must be for")]
    required_scope: Annotated[str | None, Field(description="Scope that a token needs; null: none")] = None
    admin_scope: Annotated[
        str | None, Field(description="Scope that opens the routes under /admin; null: none does")
    ] = None
