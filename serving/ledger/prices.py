"""What tokens and seconds cost. One currency for the whole ledger: yours."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving.ledger.entry import Row

_MILLION = 1_000_000


class Prices(BaseModel):
    """Prices in your currency, for the rows that are written from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Annotated[float, Field(ge=0, description="Price of a million tokens that the model reads")] = 0.0
    completion: Annotated[float, Field(ge=0, description="Price of a million tokens that the model writes")] = 0.0
    second: Annotated[float, Field(ge=0, description="Price of a second of a request")] = 0.0

    def of(self, row: Row) -> float:
        """Return what a row costs."""
        tokens = row.prompt_tokens * self.prompt + row.completion_tokens * self.completion
        return tokens / _MILLION + row.seconds * self.second
