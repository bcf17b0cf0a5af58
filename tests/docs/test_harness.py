"""The harness that executes the pages' commands: it goes red where a reader would be stuck, and hides nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.docs.blocks import blocks
from tests.docs.pages import PageError, left_out, page_run


def run(tmp_path: Path, text: str) -> Path:
    """Execute a page's blocks; return the folder that they ran in."""
    page = tmp_path / "page.md"
    page.write_text(text)
    folder = tmp_path / "session"
    folder.mkdir()
    with page_run(folder) as session:
        session.execute(blocks(page, "page.md"))
    return folder / "work"


def test_a_failing_command_is_red_and_shows_its_place_and_its_output(tmp_path: Path) -> None:
    text = "# Page\n\n```console\n$ echo one\none\n$ echo this is why; exit 7\n$ echo never\n```\n"
    with pytest.raises(PageError, match=r"page\.md:3: ended with 7") as caught:
        run(tmp_path, text)
    assert "this is why" in str(caught.value)
    assert "\nnever" not in str(caught.value)


@pytest.mark.parametrize(("language", "prompt"), [("console", "$ "), ("bash", ""), ("sh", "")])
def test_a_command_that_does_not_exist_is_red_in_every_kind_of_block(
    tmp_path: Path, language: str, prompt: str
) -> None:
    with pytest.raises(PageError, match="ended with 127"):
        run(tmp_path, f"```{language}\n{prompt}no-such-command\n```\n")


def test_a_failure_in_the_middle_of_a_pipe_or_an_unset_variable_is_red(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(PageError):
        run(tmp_path / "a", "```bash\nfalse | cat\n```\n")
    with pytest.raises(PageError):
        run(tmp_path / "b", '```bash\necho "$NOT_SET_ANYWHERE"\n```\n')


def test_python_that_raises_is_red(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="ZeroDivisionError"):
        run(tmp_path, "```python\n1 / 0\n```\n")


def test_folder_and_variables_pass_from_block_to_block(tmp_path: Path) -> None:
    text = (
        "```console\n$ mkdir inner\n$ cd inner\n$ export WORD=kept\n```\n"
        "```python\nimport os, pathlib\npathlib.Path('seen').write_text(os.environ['WORD'])\n```\n"
        '```bash\n[ "$(cat seen)" = kept ]\n```\n'
    )
    assert (run(tmp_path, text) / "inner" / "seen").read_text() == "kept"


def test_commands_continue_after_a_backslash_and_output_is_not_executed(tmp_path: Path) -> None:
    text = "```console\n$ printf '%s' \\\n>   joined > out\ntouch not-a-command \\\ntouch neither\n```\n"
    assert sorted(path.name for path in run(tmp_path, text).iterdir()) == ["out"]


def test_a_console_without_prompts_holds_nothing_but_commands(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="ended with 3"):
        run(tmp_path, "```console\nexit 3     # and a remark\n```\n")


def test_other_languages_are_not_executed(tmp_path: Path) -> None:
    assert list(run(tmp_path, "```json\n{}\n```\n```text\nexit 1\n```\n").iterdir()) == []


def test_kit_is_there_for_the_reader(tmp_path: Path) -> None:
    run(tmp_path, "```console\n$ kit --version\n$ domainkit --version\n```\n")


def ends(pid: int) -> bool:
    """Wait up to ten seconds until a process that was told to end is gone (or waits only to be collected)."""
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


SERVER = """<!-- background: until "listening" -->
```bash
python -c "import os, time; open('pid', 'w').write(str(os.getpid())); print('listening', flush=True); time.sleep(600)"
```
"""


def test_a_background_block_runs_until_the_page_ends(tmp_path: Path) -> None:
    work = run(tmp_path, SERVER + "```bash\nkill -0 $(cat pid)\n```\n")
    assert ends(int((work / "pid").read_text()))


def test_a_background_block_is_stopped_even_where_the_page_fails(tmp_path: Path) -> None:
    with pytest.raises(PageError):
        run(tmp_path, SERVER + "```bash\nfalse\n```\n")
    assert ends(int((tmp_path / "session" / "work" / "pid").read_text()))


def test_a_background_block_that_ends_before_its_text_is_red(tmp_path: Path) -> None:
    with pytest.raises(PageError, match="before 'listening'"):
        run(tmp_path, '<!-- background: until "listening" -->\n```bash\necho port in use; exit 2\n```\n')


def test_a_block_that_cannot_run_is_left_out_and_listed_with_its_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: needs an NVIDIA GPU -->\n```bash\nfalse\n```\n```bash\ntrue\n```\n")
    found = blocks(page, "page.md")
    assert [(block.line, block.not_run) for block in left_out(found)] == [(2, "needs an NVIDIA GPU")]
    run(tmp_path, page.read_text())


def test_a_titled_block_is_a_file_and_a_titled_diff_edits_it(tmp_path: Path) -> None:
    text = (
        '```console\n$ mkdir inner\n$ cd inner\n```\n```csv title="a.csv"\none\ntwo\n```\n'
        '```diff title="a.csv"\n one\n-two\n+three\n```\n'
    )
    assert (run(tmp_path, text) / "inner" / "a.csv").read_text() == "one\nthree\n"


def test_a_diff_of_lines_that_are_not_there_is_red(tmp_path: Path) -> None:
    with pytest.raises(PageError, match=r"a\.csv has these lines 0 times"):
        run(tmp_path, '```csv title="a.csv"\none\n```\n```diff title="a.csv"\n-two\n+three\n```\n')


def test_an_exit_code_that_the_page_does_not_name_is_red(tmp_path: Path) -> None:
    run(tmp_path, "<!-- ends with: 0, 3 or 4 -->\n```bash\nexit 4\n```\n")
    (tmp_path / "b").mkdir()
    with pytest.raises(PageError, match="ended with 1"):
        run(tmp_path / "b", "<!-- ends with: 0, 3 or 4 -->\n```bash\nexit 1\n```\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("<!-- part of: -->\n```bash\nfalse\n```\n", "gives no reason"),
        ("<!-- ends with: whatever -->\n```bash\nfalse\n```\n", "gives no reason"),
        ("<!-- not run: -->\n```bash\nfalse\n```\n", "gives no reason"),
        ("<!-- not run -->\n```bash\nfalse\n```\n", "gives no reason"),
        ("<!-- background: soon -->\n```bash\ntrue\n```\n", "gives no reason"),
        ("<!-- not run: far away -->\n\n```bash\nfalse\n```\n", "not right before a block"),
        ("```bash\ntrue\n", "never closes"),
    ],
)
def test_a_page_that_is_unclear_about_its_blocks_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        blocks(page, "page.md")
