"""Printing never loses a result: whatever the encoding, and whatever became of the streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kit.cli.shared.output import table, wrapped
from kit.project.project import Project
from kit.project.runs import new_run
from tests.kit.cli.conftest import ENVIRONMENT

ODD = "κάτι − 清 “x”… ½"


def shell(script: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of shell in which `kit` is this kit."""
    words = ["bash", "-c", f'kit() {{ "{sys.executable}" -m kit "$@"; }}; {script}']
    return subprocess.run(words, cwd=cwd, env={**ENVIRONMENT, **environment}, capture_output=True, check=False)


@pytest.fixture
def odd(toy: Path) -> Path:
    """A project with a run that ended with a sentence in many scripts."""
    made = new_run(toy, Project(toy).recipe(), "0" * 64, profile=None)
    (made.folder / "status.jsonl").write_text(json.dumps({"state": "failed", "sentence": ODD}) + "\n")
    return toy


def test_what_an_encoding_cannot_show_is_written_in_another_form(odd: Path) -> None:
    done = shell("kit runs", odd, PYTHONIOENCODING="latin1")
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode("latin1")
    assert '\\u03ba\\u03ac\\u03c4\\u03b9 - \\u6e05 "x"... ½' in shown


def test_json_is_the_same_data_in_every_encoding(odd: Path) -> None:
    for encoding in ("latin1", "ascii", "utf-8"):
        done = shell("kit runs --json", odd, PYTHONIOENCODING=encoding)
        assert json.loads(done.stdout.decode(encoding))["runs"][0]["sentence"] == ODD


def test_half_a_character_is_printed_as_its_number(odd: Path) -> None:
    made = new_run(odd, Project(odd).recipe(), "1" * 64, profile=None)
    (made.folder / "status.jsonl").write_text('{"state": "failed", "sentence": "\\\\ud83d"}\n'.replace("\\\\", "\\"))
    assert "\\ud83d" in shell("kit runs", odd).stdout.decode()
    shown = json.loads(shell("kit runs --json", odd).stdout)["runs"]
    assert "\ud83d" in {each["sentence"] for each in shown}


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("command", ["kit runs", "kit runs --json", "kit --help"])
def test_a_closed_stream_is_no_error(odd: Path, command: str, closed: str) -> None:
    done = shell(f"{command} {closed}", odd)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_went_wrong_is_still_an_exit_code_where_nobody_can_read_it(odd: Path) -> None:
    assert shell("kit chekc >&- 2>&-", odd).returncode == 2


@pytest.mark.parametrize("as_json", ["", " --json"])
def test_a_result_that_cannot_be_written_goes_to_stderr_and_the_run_broke(odd: Path, as_json: str) -> None:
    done = shell(f"kit runs{as_json} > /dev/full", odd)
    shown = done.stderr.decode()
    assert done.returncode == 1
    assert "Traceback" not in shown
    assert json.dumps(ODD, ensure_ascii=False)[1:-1] in shown
    assert "could not be written to standard output: No space left on device." in shown


def test_progress_that_cannot_be_written_stops_no_command_and_its_errors_go_to_stdout(odd: Path) -> None:
    assert shell("kit check 2> /dev/full", odd).returncode == shell("kit check", odd).returncode
    done = shell("kit chekc 2> /dev/full", odd)
    assert done.returncode == 2
    refused = shell("kit serve nowhere 2> /dev/full", odd)
    assert (refused.returncode, b"There is no bundle 'nowhere'" in refused.stdout) == (2, True)


def test_a_cell_may_have_several_lines_and_sentences_fit_a_terminal() -> None:
    assert table(["a", "b"], [["1\n2", "x"], ["3", "y"]]).splitlines() == ["a  b", "1  x", "2", "3  y"]
    lines = wrapped(["word " * 60, "next"]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "next"


@pytest.mark.vllm
def test_a_library_that_talks_while_it_is_imported_is_not_heard(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import kit.cli, vllm.triton_utils"]
    done = subprocess.run(words, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "Triton" not in done.stdout + done.stderr
