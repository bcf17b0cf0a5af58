"""The limits of one key; those of the settings hold for every key that has none of its own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kit.recipe import Section


class KeyLimits(Section):
    """How much one key may ask for. null: no limit, or for a key of the file the limit in the settings."""

    requests_per_minute: Annotated[int | None, Field(ge=1, description="Requests in a minute")] = None
    requests_at_once: Annotated[int | None, Field(ge=1, description="Requests that are answered at once")] = None
    tokens_per_minute: Annotated[int | None, Field(ge=1, description="Tokens read and written in a minute")] = None
    tokens_per_day: Annotated[int | None, Field(ge=1, description="Tokens read and written in a day")] = None


NO_LIMITS = KeyLimits()
