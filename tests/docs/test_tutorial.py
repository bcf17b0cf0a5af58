"""A reader follows the tutorial from `kit new` to an answered request, for both starters; the kit stays as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.project.project import Project
from tests.docs.blocks import Block, blocks
from tests.docs.pages import ROOT, TUTORIAL, page_run

LABELS = {"access", "hardware", "network", "software"}
PROGRAM = ("kit", "serving", "templates")


class Followed:
    """What a reader has after the last step."""

    def __init__(self, folder: Path, before: dict[str, tuple[int, int]]) -> None:
        self.work = folder / "work"
        self.before = before
        self._logs = folder / ".session"

    def output(self, block: Block) -> str:
        """What a block printed."""
        return (self._logs / f"{block.line}.log").read_text()

    def answer(self, route: str) -> dict[str, str]:
        """What the service answered to the page's own request."""
        (asked,) = [block for block in PAGE if "curl" in block.text and route in block.text]
        printed = self.output(asked)
        answer, _ = json.JSONDecoder().raw_decode(printed, printed.index("\n{") + 1)
        return dict(answer)


PAGE = blocks(ROOT / TUTORIAL, TUTORIAL)


def program_files() -> dict[str, tuple[int, int]]:
    """Size and time of every file of the kit that is not made by running it."""
    found = (path for top in PROGRAM for path in (ROOT / top).rglob("*") if path.is_file())
    kept = (path for path in found if "__pycache__" not in path.parts and ".pytest_cache" not in path.parts)
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in kept}


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    """The whole page, executed once."""
    folder, before = tmp_path_factory.mktemp("reader"), program_files()
    with page_run(folder) as session:
        session.execute(PAGE)
        yield Followed(folder, before)


def test_a_ticket_is_answered_with_one_of_the_readers_own_labels(followed: Followed) -> None:
    answer = followed.answer("/v1/classify")
    assert set(answer) == {"label"}
    assert answer["label"] in LABELS


def test_a_message_is_answered_with_a_text(followed: Followed) -> None:
    answer = followed.answer("/v1/write")
    assert set(answer) == {"reply"}
    assert answer["reply"]


@pytest.mark.parametrize("project", ["tickets", "replies"])
def test_all_rows_of_the_csv_are_used_and_no_reporter_is_on_both_sides(followed: Followed, project: str) -> None:
    made = Project(followed.work / project)
    (data,) = made.all_data(made.recipe("smoke"))
    rows = {part: data.examples(part) for part in ("train", "validation", "test")}
    groups = [{row.group for row in part} for part in rows.values()]
    (csv,) = [block for block in PAGE if block.title == "tickets.csv"]
    assert sum(len(part) for part in rows.values()) == len(csv.text.splitlines()) - 1
    assert len(set.union(*groups)) == sum(len(each) for each in groups)
    assert len(rows["test"]) >= 8


@pytest.mark.parametrize("project", ["tickets", "replies"])
def test_the_report_compares_the_tuned_model_with_the_base_and_a_classical_method(
    followed: Followed, project: str
) -> None:
    (report,) = (followed.work / project / "evaluations").rglob("report.json")
    assert {"tuned", "base", "baseline"} <= set(re.findall(r'"(tuned|base|baseline)"', report.read_text()))


def test_no_file_of_the_kit_is_touched(followed: Followed) -> None:
    assert program_files() == followed.before
