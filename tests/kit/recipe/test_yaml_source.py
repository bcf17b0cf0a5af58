"""YAML in which nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.recipe import load_recipe
from kit.recipe.yaml_source import Source, read_yaml


def source(folder: Path, text: str) -> Source:
    path = folder / "file.yaml"
    path.write_text(text)
    return read_yaml(path)


@pytest.mark.parametrize(
    ("typed", "value"),
    [("2e-4", 0.0002), ("2.5E+3", 2500.0), ("-1e3", -1000.0), ("2024-05-01", "2024-05-01"), ("7", 7), ("2e", "2e")],
)
def test_numbers_are_numbers_and_dates_stay_as_typed(tmp_path: Path, typed: str, value: object) -> None:
    found = source(tmp_path, f"key: {typed}\n").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_every_repeated_key_is_told_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        source(tmp_path, "a: 1\nb:\n  - c: 1\n    c: 2\na: 3\n")
    wheres = [problem.where.removeprefix(f"{tmp_path / 'file.yaml'}:") for problem in caught.value.problems]
    assert sorted(wheres) == ["4:5", "5:1"]


def test_a_place_is_the_line_of_the_key_or_of_what_is_around_it(tmp_path: Path) -> None:
    found = source(tmp_path, "a:\n  b:\n    - x\n    - {c: 1}\n")
    lines = [found.place(path).rpartition(":")[2] for path in [("a",), ("a", "b", 1, "c"), ("a", "b", 7), ("a", "no")]]
    assert lines == ["1", "4", "2", "1"]


@pytest.mark.parametrize("text", ["", "- 1\n", "just words\n"])
def test_what_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="a mapping"):
        source(tmp_path, text)


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(InputError, match=r"file\.yaml:2:7: Byte 0xe9 is not UTF-8; .*iconv -f cp1252"):
        read_yaml(tmp_path / "file.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: caf\u00e9\n".encode("utf-16"), "This file is UTF-16, not UTF-8. Convert it with: iconv -f utf-16 "),
        (b"a: 1\nb: x\x07y\n", ":2:5: YAML does not allow the character U+0007."),
        (b"? [a]\n: 1\n", ":1:3: This is not YAML: found unhashable key."),
        (b"a: " + b"[" * 3_000 + b"]" * 3_000, "It is nested too deeply."),
        (b"a: " + b"9" * 5_000, "It has a value that cannot be read."),
    ],
)
def test_what_cannot_be_read_is_a_sentence_with_its_place(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file.yaml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_yaml(tmp_path / "file.yaml")
    assert said in str(caught.value)


def test_a_folder_in_place_of_a_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(tmp_path / "file.yaml").data == {"a": 1}


RECIPE = "name: toy\nbase: {model: nano}\ntasks: [{use: 'task.py:Toy'}]\ntrain:\n  epochs: EPOCHS\n"


def test_a_recipe_takes_no_word_for_a_number(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("EPOCHS", "'2'"))
    with pytest.raises(InputError, match=r"recipe\.yaml:5: train\.epochs: This must be a number"):
        load_recipe(tmp_path / "recipe.yaml")


def test_a_mistake_of_the_recipe_is_told_once_however_many_profiles_inherit_it(tmp_path: Path) -> None:
    profiles = "profiles:\n  a: {}\n  b: {train: {epochz: 1}}\n"
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("EPOCHS", "-1") + profiles)
    with pytest.raises(InputError) as caught:
        load_recipe(tmp_path / "recipe.yaml", "a")
    wheres = [problem.where.partition("recipe.yaml:")[2] for problem in caught.value.problems]
    assert wheres == ["5: train.epochs", "8: profiles.b.train.epochz"]
