"""Numbers of a request: a number and nothing that could be read as one, and never more than 64 bits hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

LARGEST_INTEGER = 2**31 - 1
_WIDEST = 2**64


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("not_a_number", "Input should be a number")
    if isinstance(value, int) and abs(value) >= _WIDEST:
        raise PydanticCustomError("number_too_large", "Input should be a number of at most 64 bits")
    return value


Integer = Annotated[int, BeforeValidator(_plain)]
Number = Annotated[float, BeforeValidator(_plain)]
