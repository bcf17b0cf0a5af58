"""Settings of the engine that asks another server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kit.recipe import Section


class UpstreamSettings(Section):
    """Another server that generates.

    In the mode `tokens` it gets token ids and returns log-probabilities, so that the bundle can be proved. In the mode
    `messages` it renders dialogues itself: nothing is proved, and every answer says so.
    """

    url: Annotated[str, Field(pattern=r"^https?://", description="Address of the server, without /v1")]
    mode: Annotated[Literal["tokens", "messages"], Field(description="What the server gets")] = "tokens"
    model: Annotated[str | None, Field(description="Model to ask for; null: the only one that the server has")] = None
    key_variable: Annotated[str | None, Field(description="Environment variable that holds the server's API key")] = (
        None
    )
