"""Refuses arguments that have no meaning, before a workflow reads or starts anything."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kit.errors import InputError
from kit.recipe.bounds import Count
from kit.recipe.validation import dotted, problems_of
from kit.workflows import bounds


def _within(least_and_greatest: tuple[float, float]) -> Any:
    least, greatest = least_and_greatest
    return Field(ge=least, le=greatest, allow_inf_nan=False)


def _counted(least_and_greatest: tuple[int, int]) -> Any:
    least, greatest = least_and_greatest
    return Field(ge=least, le=greatest)


class _Arguments(BaseModel):
    """Arguments that several workflows share, by name; None is the default of the workflow."""

    model_config = ConfigDict(strict=True, extra="forbid")

    engine: Literal["auto", "vllm", "local"] | None = None
    method: Literal["rules", "paraphrase", "back-translation"] | None = None
    profile: str | None = None
    threads: Annotated[int, _counted(bounds.THREADS)] | None = None
    peak_tflops: Annotated[float, _within(bounds.PEAK_TFLOPS)] | None = None
    price_per_hour: Annotated[float, _within(bounds.PRICE_PER_HOUR)] | None = None
    copies: Annotated[int, _counted(bounds.COPIES)] | None = None
    concurrency: Annotated[int, _counted(bounds.CONCURRENCY)] | None = None
    temperature: Annotated[float, _within(bounds.TEMPERATURE)] | None = None
    limit: Count | None = None
    trials: Count | None = None
    workers: Annotated[int, _counted(bounds.WORKERS)] | None = None


def refuse_meaningless(**arguments: Any) -> None:
    """Raise InputError with every argument that has a wrong type or is out of its bounds."""
    try:
        _Arguments.model_validate(arguments)
    except ValidationError as error:
        raise InputError(problems_of(error, _Arguments, dotted)) from None
