"""What pydantic finds is reported in our words, whatever it finds."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import pytest
from pydantic import BaseModel, Field, ValidationError
from pydantic_core import PydanticKnownError
from pydantic_core.core_schema import ErrorType

from kit.recipe.validation import dotted, problems_of
from kit.recipe.wording import words_for


class Held(BaseModel):
    """One field of each kind that our types use."""

    text: Annotated[str, Field(min_length=1, max_length=3, pattern="^[a-z]*$")] = "a"
    letters: Annotated[str, Field(min_length=2)] = "ab"
    count: Annotated[int, Field(ge=0, lt=9)] = 0
    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.5
    flag: bool = False
    pair: Annotated[tuple[int, ...], Field(min_length=2, max_length=3)] = (1, 2)
    some: Annotated[list[int], Field(min_length=1)] = [1]
    choice: Literal["a", "b"] = "a"
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("text", 3, "text: This must be text."),
        ("text", "", "text: This must not be empty."),
        ("text", "abcd", "text: This must have at most 3 characters."),
        ("text", "A", "text: This must be text of the pattern ^[a-z]*$."),
        ("letters", "a", "letters: This must have at least 2 characters."),
        ("count", "3", "count: This must be a whole number."),
        ("count", 1.5, "count: This must be a whole number."),
        ("count", -1, "count: This must be 0 or more."),
        ("count", 9, "count: This must be less than 9."),
        ("share", "x", "share: This must be a number."),
        ("share", float("nan"), "share: This must be a finite number."),
        ("share", 0.0, "share: This must be more than 0.0."),
        ("share", 2.0, "share: This must be 1.0 or less."),
        ("flag", "yes", "flag: This must be true or false."),
        ("pair", (1,), "pair: This must have at least 2 items, and has 1."),
        ("pair", (1, 2, 3, 4), "pair: This must have at most 3 items, and has 4."),
        ("pair", "12", "pair: This must be a list."),
        ("some", [], "some: This must not be empty."),
        ("choice", "c", "choice: This must be 'a' or 'b'."),
        ("table", [], "table: This must be an object, with keys and values."),
    ],
)
def test_a_wrong_value_is_reported_in_plain_words(field: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Held.model_validate({field: value}, strict=True)
    assert [str(each) for each in problems_of(caught.value, Held, dotted)] == [said]


class _Anything(dict[str, Any]):
    """A context in which every name has a value."""

    def __missing__(self, name: str) -> Any:
        return 2


def test_no_kind_of_error_is_reported_in_words_of_a_library() -> None:
    for kind in get_args(ErrorType):
        try:
            message = PydanticKnownError(kind, None).message()
        except (TypeError, KeyError, ValueError):
            message = "Input should be something"
        said = words_for({"type": kind, "msg": message, "ctx": _Anything()})
        assert not said.startswith(("Input should", "Tuple", "List", "Dict", "String", "Value error")), kind
        assert "after validation" not in said, kind
