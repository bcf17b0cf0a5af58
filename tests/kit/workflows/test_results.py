"""Results can be pickled, and a notebook can show them: their text is short, also where they hold many examples."""

from __future__ import annotations

import pickle

import pytest

from kit.workflows import augment, check, list_templates, plan_import_data, plan_new, plan_split_data
from tests.kit.toy import make_toy

LONGEST = 6000  # characters; the data of the toy have 12,000


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    folder = tmp_path_factory.mktemp("results")
    toy = make_toy(folder / "toy")
    table = folder / "rows.csv"
    table.write_text("text,label\n" + "".join(f"the {word} shop was fine,praise\n" for word in ("red", "old", "new")))
    return [
        check(toy),
        plan_split_data(toy),
        augment(toy, method="rules"),
        plan_import_data(toy, file=table, mapping={"text": "text", "label": "label"}),
        plan_new("classify", folder / "new"),
        list_templates(),
    ]


def test_results_are_the_same_after_pickling(results: list[object]) -> None:
    assert pickle.loads(pickle.dumps(results)) == results


def test_the_text_of_a_result_is_short(results: list[object]) -> None:
    assert max(len(repr(result)) for result in results) < LONGEST
