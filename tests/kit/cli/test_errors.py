"""Every error is a sentence on stderr, or an object on stdout with --json, and has its own exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kit.cli.shared.output import Output
from kit.errors import Exit, InputError, Problem
from tests.kit.cli.conftest import ENVIRONMENT, Run


def test_an_unknown_command_gets_the_near_miss(tmp_path: Path, run: Run) -> None:
    ran = run("chekc", cwd=tmp_path)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "There is no command 'kit chekc'. Did you mean 'check'?\n"


def test_an_unknown_command_of_a_group_gets_the_near_miss(tmp_path: Path, run: Run) -> None:
    ran = run("data", "inport", cwd=tmp_path)
    assert ran.code == 2
    assert ran.err == "There is no command 'kit data inport'. Did you mean 'import'?\n"


@pytest.mark.parametrize("words", [[], ["data"]])
def test_without_a_command_the_help_is_shown(tmp_path: Path, run: Run, words: list[str]) -> None:
    ran = run(*words, cwd=tmp_path)
    assert (ran.code, ran.err) == (0, "")
    assert "Commands:" in ran.out


def test_an_unknown_option_gets_the_near_miss(tmp_path: Path, run: Run) -> None:
    ran = run("check", "--profil", cwd=tmp_path)
    assert ran.code == 2
    assert ran.err == "'kit check' has no option '--profil'. Did you mean '--profile'?\n"


def test_with_json_an_error_is_one_object_on_stdout_with_the_same_exit_code(tmp_path: Path, run: Run) -> None:
    ran = run("chekc", "--json", cwd=tmp_path)
    assert (ran.code, ran.err) == (2, "")
    problem = {"what": "There is no command 'kit chekc'.", "where": "", "next": "Did you mean 'check'?"}
    assert ran.json == {"error": {"code": 2, "kind": "InputError", "problems": [problem]}}


def test_outside_a_project_the_way_in_is_told(tmp_path: Path, run: Run) -> None:
    ran = run("check", cwd=tmp_path)
    assert ran.code == 2
    assert "No recipe.yaml here or in a folder above." in ran.err
    assert "kit new legal" in ran.err


def test_a_defect_is_one_sentence_and_a_traceback_only_on_demand(toy: Path, run: Run) -> None:
    task = toy / "task.py"
    task.write_text(task.read_text().replace("return [response.label]", "return [response.lable]"))
    plain = run("check", cwd=toy)
    assert plain.code == 2
    assert plain.err.startswith(f"{task}:")
    assert "targets: AttributeError: " in plain.err
    assert len(plain.err.splitlines()) == 1
    assert "Traceback" in run("check", "--debug", cwd=toy).err


def test_many_problems_are_counted_after_the_twentieth(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError([Problem(f"Number {number} is wrong.") for number in range(27)])
    Output().fail_with(error)
    shown = capsys.readouterr().err.splitlines()
    assert shown[19:] == ["Number 19 is wrong.", "… and 7 more."]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_a_signal_ends_a_command_in_a_sentence_and_its_own_code(toy: Path, number: int, code: Exit) -> None:
    (toy / "importers.py").write_text(
        "import time\nfrom pathlib import Path\n\n\ndef slow(path, settings):\n"
        "    Path('started').touch()\n    time.sleep(60)\n\n\nimporters = {'slow': slow}\n"
    )
    words = [sys.executable, "-m", "kit", "data", "import", "slow", "recipe.yaml"]
    process = subprocess.Popen(words, cwd=toy, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    while not (toy / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(number)
    _, shown = process.communicate()
    assert process.returncode == code
    assert shown.strip() == ("Interrupted." if number == signal.SIGINT else "Terminated.")


def test_a_reader_that_leaves_early_is_no_traceback(toy: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [sys.executable, "-m", "kit", "check"]
    done = subprocess.run(words, cwd=toy, env=ENVIRONMENT, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
