"""Number types of a request: only JSON numbers, never strings or booleans, of at most 64 bits."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_LARGEST = 2**31 - 1  # engines count in 32 bits
_LARGEST_SEED = 9 * 10**18  # below 2**63, and exact as a float: FastAPI documents every bound as a float
_TOO_LARGE = 2**64


def _only_number(value: Any) -> Any:
    if isinstance(value, bool | str | bytes):
        raise PydanticCustomError("not_a_number", "Input should be a number")
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        raise PydanticCustomError("number_too_large", "Input should be a number of at most 64 bits")
    return value


_NUMBER = BeforeValidator(_only_number)  # last in each type, or the bounds are missing from the JSON schema

Budget = Annotated[int, Field(ge=1, le=_LARGEST), _NUMBER]
Temperature = Annotated[float, Field(ge=0, le=2), _NUMBER]
TopP = Annotated[float, Field(gt=0, le=1), _NUMBER]
TopK = Annotated[int, Field(ge=-1, le=_LARGEST), _NUMBER]
Seed = Annotated[int, Field(ge=-_LARGEST_SEED, le=_LARGEST_SEED), _NUMBER]
Count = Annotated[int, Field(ge=0, le=_LARGEST), _NUMBER]
TokenId = Annotated[int, Field(ge=0, le=_LARGEST), _NUMBER]
MinP = Annotated[float, Field(ge=0, le=1), _NUMBER]
Penalty = Annotated[float, Field(ge=-2, le=2), _NUMBER]
RepetitionPenalty = Annotated[float, Field(gt=0, le=2), _NUMBER]
Bias = Annotated[float, Field(ge=-100, le=100), _NUMBER]
Choices = Annotated[int, Field(ge=1, le=16), _NUMBER]
TopLogprobs = Annotated[int, Field(ge=0, le=20), _NUMBER]
NoOrBudget = Annotated[int, Field(ge=0, le=_LARGEST), _NUMBER]
WideTemperature = Annotated[float, Field(ge=0, le=100), _NUMBER]
