"""Types of values with bounds. Numbers beyond them overflow in some library, or make no sense."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field

_MOST_COUNTED = 2**31 - 1
"""The largest count: a signed integer of 32 bits, because some libraries use those."""
_GREATEST_SEED = 2**63 - 1
_EXACT = 2**53
_LARGEST_WEIGHT = 1e6

Count = Annotated[int, Field(ge=1, le=_MOST_COUNTED)]
Tokens = Annotated[int, Field(le=2**24)]
"""A length in tokens; no model has a longer context."""
Seed = Annotated[int, Field(ge=0, le=_GREATEST_SEED)]
"""A seed that every library's random generator accepts."""
RangeEnd = Annotated[int, Field(ge=-_EXACT, le=_EXACT)] | Annotated[float, Field(ge=-_EXACT, le=_EXACT)]
"""Whole numbers in this range are exact as floats."""
Weight = Annotated[float, Field(ge=1 / _LARGEST_WEIGHT, le=_LARGEST_WEIGHT)]
"""Relative weight of one source."""


def _plain(value: Any) -> Any:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        raise ValueError("Only text, finite numbers, true, false, null, lists and mappings are allowed here") from None
    return value


Plain = Annotated[Any, AfterValidator(_plain)]
"""Any value that JSON can hold: it is written into bundles, digests and reports."""
