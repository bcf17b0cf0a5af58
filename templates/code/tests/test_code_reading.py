"""The checker behind the model: no sentinel, no repeated suffix and no text past the end is ever returned."""

from __future__ import annotations

import random

import pytest
from code_parts import MIDDLE, PREFIX, SUFFIX, answered, module  # type: ignore[import-not-found]

from kit.task import UnreadableAnswer

reading = module("reading")


def test_the_right_text_comes_back_as_it_is() -> None:
    answer = answered(MIDDLE)
    assert (answer.completion, answer.stopped, answer.parses) == (MIDDLE, "end", True)


@pytest.mark.parametrize("sentinel", reading.SENTINELS)
def test_no_sentinel_is_in_an_answer_and_what_follows_one_is_left_out(sentinel: str) -> None:
    answer = answered(f"{MIDDLE}{sentinel}import os\n")
    assert answer.completion == MIDDLE
    assert answered(f"{sentinel}{MIDDLE}").completion == ""
    split = f"{MIDDLE}{sentinel[:3]}{sentinel}{sentinel[3:]}"
    assert sentinel not in answered(split, language="javascript").completion


def test_the_bases_own_sentinels_are_left_out_too() -> None:
    read = reading.read_middle("a", "b", "x[MINE]y", False, False, ("[MINE]",))
    assert read.text == "x"
    assert reading.read_middle("a", "b", "table[PREFIX] = 1", False).text == "table[PREFIX] = 1"


@pytest.mark.parametrize("repeated", [SUFFIX, SUFFIX.rstrip("\n")])
def test_a_repeated_suffix_is_removed(repeated: str) -> None:
    answer = answered(MIDDLE + repeated)
    assert (answer.completion, answer.stopped, answer.parses) == (MIDDLE, "overlap", True)


def test_a_suffix_that_is_repeated_twice_is_removed_twice() -> None:
    assert answered(MIDDLE + SUFFIX * 2).completion == MIDDLE


def test_the_longest_repetition_is_removed() -> None:
    suffix = "    x = 1\n    y = 2\n    x = 1\n    return x\n"
    answer = answered("    a = 0\n    x = 1\n    y = 2\n    x = 1\n", "def f():\n", suffix)
    assert answer.completion == "    a = 0\n"
    assert answer.stopped == "overlap"


def test_a_repetition_in_another_language_is_removed_and_nothing_is_parsed() -> None:
    answer = answered("  b();\n}\n", "function a() {\n", "}\n", language="JavaScript")
    assert (answer.completion, answer.stopped, answer.parses) == ("  b();\n", "overlap", None)


def test_a_bracket_that_belongs_to_the_completion_stays() -> None:
    answer = answered("g(x)", "y = f(", ")\n")
    assert (answer.completion, answer.stopped) == ("g(x)", "end")


def test_a_bracket_that_the_suffix_has_already_is_removed() -> None:
    answer = answered("x)", "y = f(", ")\n")
    assert (answer.completion, answer.stopped, answer.parses) == ("x", "overlap", True)


def test_lines_that_the_file_needs_are_not_taken_for_a_repetition() -> None:
    answer = answered("    if a:\n        pass\n", "def f(a):\n", "        pass\n    return a\n")
    assert answer.parses is True


def test_text_past_the_syntactic_end_is_cut_at_the_first_line_that_parses() -> None:
    answer = answered(f"{MIDDLE}    return result\n\n\ndef other(:\n")
    assert (answer.completion, answer.stopped, answer.parses) == (MIDDLE, "syntactic_end", True)


def test_the_rest_of_an_interrupted_line_is_left_out_if_the_model_ran_on() -> None:
    answer = answered("value for value in values]\n    print(", "def f(values):\n    return [", "]\n")
    assert (answer.completion, answer.stopped, answer.parses) == ("value for value in values", "syntactic_end", True)


def test_an_answer_without_an_end_is_cut_where_it_parses_or_says_that_it_does_not() -> None:
    answer = answered(f"{MIDDLE}        result = (result +", finish="length")
    assert (answer.completion, answer.stopped, answer.parses) == (MIDDLE, "syntactic_end", True)
    answer = answered("        result = (((", finish="length")
    assert (answer.stopped, answer.parses) == ("budget", False)
    assert answered(MIDDLE, finish="length").stopped == "budget"


def test_a_cut_never_leaves_only_blanks() -> None:
    answer = answered("\n\n        )(\n", "x = 1\n", "y = 2\n")
    assert (answer.completion.strip(), answer.parses) == (")(", False)


def test_no_answer_is_unreadable_and_an_empty_one_is_an_answer() -> None:
    with pytest.raises(UnreadableAnswer):
        answered(MIDDLE, finish="abort")
    assert answered("").completion == ""


@pytest.mark.parametrize("text", ["\0", "(" * 5000, "-" * 50_000 + "1", "x = " + "[" * 200, "\ud800", "'" * 9999])
def test_text_that_a_parser_chokes_on_is_no_python_and_no_crash(text: str) -> None:
    answer = answered(f"{MIDDLE}{text}")
    assert answer.parses is False or answer.completion == MIDDLE


def test_a_long_file_is_read_in_time_and_not_parsed() -> None:
    lines = "x = 1\n" * 16_000
    answer = answered("x = (\n" * 400, lines, lines)
    assert answer.parses in (None, False)


PIECES = (
    *(MIDDLE, SUFFIX) * 5, SUFFIX.strip(), "\n", "    ", "result", "(", ")", '"""', "import os\n", "return", ":",
    "\r\n", "\0", "é", "中", "# x", "\\", "'", "<|", "|>", "fim_prefix", "def f():\n", "\t",
)  # fmt: skip


def test_a_thousand_hostile_completions_never_return_what_is_forbidden() -> None:
    rng, cut = random.Random(7), 0
    for _ in range(1_000):
        pieces = rng.choices(PIECES, k=rng.choice((1, 2, 3, 4, 8)))
        written = "".join(rng.choice(reading.SENTINELS) if rng.random() < 0.1 else piece for piece in pieces)
        answer = answered(written, finish=rng.choice(["stop", "length"]))
        assert not any(sentinel in answer.completion for sentinel in reading.SENTINELS)
        assert written.startswith(answer.completion), "only the end of what was written is ever removed"
        assert answer.parses is reading.parses(PREFIX + answer.completion + SUFFIX)
        if answer.stopped in ("overlap", "syntactic_end"):
            assert len(answer.completion) < len(written)
            cut += 1
        if answer.stopped == "syntactic_end":
            assert answer.parses is True
        if answer.parses and answer.stopped != "syntactic_end":
            assert not answer.completion.endswith(f"\n{SUFFIX}")
    assert cut > 100, cut
