"""Tests of completed programs run in a process with limits, and pass@k is estimated without bias."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path

import pytest
from code_parts import module  # type: ignore[import-not-found]

sandbox = module("sandbox")
FAST = sandbox.Limits(cpu_seconds=1, wall_seconds=5)
RIGHT = "def double(x):\n    return 2 * x\n"


def test_a_right_program_passes_and_a_wrong_one_fails() -> None:
    assert sandbox.run_tests(RIGHT, "assert double(2) == 4") == "passed"
    assert sandbox.run_tests(RIGHT, "assert double(2) == 5") == "failed"
    assert sandbox.run_tests("def double(x:", "") == "failed"


def test_common_modules_and_files_in_its_own_folder_may_be_used() -> None:
    program = "import collections, hashlib, heapq, math, random, re, tempfile, typing\n"
    program += "P = collections.namedtuple('P', 'x')\nprint('a word')\nhashlib.md5(b'x')\n"
    program += "open('note.txt', 'w').write('x')\nassert open('note.txt').read() == 'x'\n"
    assert sandbox.run_tests(program, "assert P(1).x == 1") == "passed"


@pytest.mark.parametrize("program", ["import os\nos._exit(0)", "import sys\nsys.exit(0)", "quit()", "raise SystemExit"])
def test_a_program_that_ends_itself_has_not_passed(program: str) -> None:
    assert sandbox.run_tests(program, "assert False") == "failed"


def test_an_endless_loop_ends() -> None:
    assert sandbox.run_tests("while True:\n    pass", "", FAST) == "time"


def test_a_program_that_only_waits_ends() -> None:
    limits = sandbox.Limits(cpu_seconds=1, wall_seconds=1.5)
    assert sandbox.run_tests("import time\ntime.sleep(60)", "", limits) == "time"


def test_a_fork_bomb_starts_no_process() -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError as error:\n        raise error"
    assert sandbox.run_tests(bomb, "", FAST) == "forbidden"
    assert FAST.by_name()["RLIMIT_NPROC"] == 1


@pytest.mark.parametrize("program", ["x = 'a' * 10**11", "x = []\nwhile True:\n    x.append(bytearray(10**7))"])
def test_a_memory_hog_gets_no_memory(program: str) -> None:
    assert sandbox.run_tests(program, "", FAST) == "memory"


def test_nothing_is_written_outside_its_folder(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("mine", encoding="utf-8")
    name = str(victim)
    for program in (
        f"open({name!r}, 'w').write('x')",
        f"import os\nos.remove({name!r})",
        f"import os\nos.rename({name!r}, 'x')",
        f"import os\nos.symlink({str(tmp_path)!r}, 'link')\nopen('link/new', 'w')",
        f"import pathlib\npathlib.Path({str(tmp_path / 'new')!r}).mkdir()",
        f"import os\nos.open({name!r}, os.O_RDWR)",
        f"import shutil\nshutil.rmtree({str(tmp_path)!r})",
        f"try:\n    open({name!r}, 'a')\nexcept BaseException:\n    pass",
    ):
        assert sandbox.run_tests(program, "", FAST) == "forbidden", program
    assert victim.read_text(encoding="utf-8") == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["victim.txt"]


@pytest.mark.parametrize(
    "program",
    [
        "import subprocess\nsubprocess.run(['true'])",
        "import os\nos.system('true')",
        "import socket\nsocket.socket()",
        "import ctypes",
        "import os\nos.kill(os.getppid(), 0)",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (9, 9))",
        "import multiprocessing",
    ],
)
def test_no_other_process_and_no_network_is_reached(program: str) -> None:
    assert sandbox.run_tests(program, "", FAST) == "forbidden"


def test_a_file_cannot_grow_without_end() -> None:
    assert sandbox.run_tests("f = open('x', 'w')\nwhile True:\n    f.write('x' * 10**5)", "", FAST) in (
        "failed",
        "time",
    )


def test_its_folder_is_gone_and_its_environment_is_empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_SECRET", "s")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    program = "import os\nopen('left.txt', 'w').write('x')"
    assert sandbox.run_tests(program, "assert 'MY_SECRET' not in os.environ") == "passed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("samples", "passed", "k"), [(5, 2, 1), (5, 2, 3), (6, 1, 2), (4, 0, 2), (4, 4, 3), (7, 3, 5)])
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(samples: int, passed: int, k: int) -> None:
    draws = list(itertools.combinations([True] * passed + [False] * (samples - passed), k))
    assert sandbox.pass_at_k(samples, passed, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_is_exact_for_many_samples_and_refuses_what_has_no_sense() -> None:
    assert sandbox.pass_at_k(200, 37, 1) == pytest.approx(37 / 200)
    assert 0.99 < sandbox.pass_at_k(10_000, 500, 100) <= 1
    for samples, passed, k in ((5, 6, 1), (5, -1, 1), (5, 1, 0), (5, 1, 6)):
        with pytest.raises(ValueError, match="k is from 1"):
            sandbox.pass_at_k(samples, passed, k)


def test_the_script_measures_saved_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = module("pass_at_k")
    data, answers = tmp_path / "data.jsonl", tmp_path / "answers.jsonl"
    row = {
        "id": "a",
        "request": {"prefix": "def double(x):\n", "suffix": ""},
        "provenance": {"test": "assert double(3) == 6"},
    }
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    lines = [
        {"id": "a", "who": who, "response": {"completion": middle}}
        for who, middle in (("base", "    return x\n"), ("tuned", "    return 2 * x\n"), ("tuned", "    return\n"))
    ]
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert script.main([str(data), str(answers)]) == 0
    assert capsys.readouterr().out == (
        "base: pass@1 0.000 over 1 gaps (1 failed)\ntuned: pass@1 0.500 over 1 gaps (1 failed, 1 passed)\n"
    )
    assert script.main([str(data), str(answers), "-k", "2"]) == 2
    assert "fewer than 2 samples" in capsys.readouterr().err
    assert script.main([str(answers), str(answers)]) == 2
    assert "No example of this file has tests." in capsys.readouterr().err
