"""A reader runs the page on the Python API from top to bottom; its first script trains, evaluates and asks a model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

import kit.workflows
from tests.docs.blocks import blocks
from tests.docs.pages import PYTHON, ROOT, page_run

FOUND = [block for block in blocks(ROOT / PYTHON, PYTHON) if block.language == "python"]
LABELS = {"billing", "delivery", "login", "returns"}
Printed = Callable[[str], str]


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Printed]:
    """What the block that contains some text printed, once the whole page was executed."""
    folder = tmp_path_factory.mktemp("reader")
    with page_run(folder) as session:
        session.execute(FOUND)

        def of(text: str) -> str:
            (block,) = [block for block in FOUND if text in block.text]
            return (folder / ".session" / f"{block.line}.log").read_text()

        yield of


def test_ten_lines_train_evaluate_and_ask_a_model(printed: Printed) -> None:
    lines = [line for line in FOUND[0].text.splitlines() if line]
    assert len(lines) <= 10
    *_, status, score, labels = printed("train(").splitlines()
    assert status.startswith("Status: preview (accuracy ")
    assert 0 <= float(score) <= 1
    found = json.loads(labels.replace("'", '"'))
    assert len(found) == 2
    assert set(found) <= LABELS


def test_the_other_examples_print_what_the_page_says(printed: Printed) -> None:
    shown = printed("report=show").splitlines()
    assert shown[-2:] == ["Scoring base: 1 of 2", "Scoring base: 2 of 2"]
    service = re.search(r"(http://127\.0\.0\.1:\d+) \{'label': '(\w+)'\}", printed("service.url"))
    assert service is not None
    assert service[2] in LABELS
    assert "local 12\n" in printed("plan_evaluate(")
    assert "request.txt Unknown key 'txt'. Did you mean 'text'?" in printed("except InputError")


def test_the_page_names_every_function_that_plans() -> None:
    named = set(re.findall(r"`(plan_\w+)`", (ROOT / PYTHON).read_text(encoding="utf-8")))
    assert named == {name for name in kit.workflows.__all__ if name.startswith("plan_")}
