"""Numbers of a request: a number and nothing that could be read as one, and never more than 64 bits hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_LARGEST = 2**31 - 1  # an engine counts in 32 bits
_LARGEST_SEED = 9 * 10**18  # within 64 bits, and written exactly by FastAPI, which makes every bound a float
_WIDEST = 2**64


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("not_a_number", "Input should be a number")
    if isinstance(value, int) and abs(value) >= _WIDEST:
        raise PydanticCustomError("number_too_large", "Input should be a number of at most 64 bits")
    return value


_PLAIN = BeforeValidator(_plain)  # last in each type: bounds beside it would be missing from the JSON schema

Budget = Annotated[int, Field(ge=1, le=_LARGEST), _PLAIN]
Temperature = Annotated[float, Field(ge=0, le=2), _PLAIN]
TopP = Annotated[float, Field(gt=0, le=1), _PLAIN]
TopK = Annotated[int, Field(ge=-1, le=_LARGEST), _PLAIN]
Seed = Annotated[int, Field(ge=-_LARGEST_SEED, le=_LARGEST_SEED), _PLAIN]
