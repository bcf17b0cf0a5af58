"""Scores by tag: the main metric on the examples that share a tag, worst first, in the report and on a page."""

from __future__ import annotations

from kit.evals.cells import HARD
from kit.evals.pages import complete, short, tag_table
from kit.evals.report import TaskReport, attestation, report_on
from kit.evals.tables import worst_tags
from kit.recipe import EvalSection
from tests.kit.evals.words import LongWords, asked, examples, right, wrong

TASK = LongWords()
SETTINGS = EvalSection(resamples=200)
ROWS = examples(30)
TAGS = {
    row.id: ("all", *(["hard", "hard:late"] if index >= 20 else ["easy"]), *(["rare"] if index < 3 else []))
    for index, row in enumerate(ROWS)
}


def report() -> TaskReport:
    """The tuned model answers the first 20 examples rightly and the others wrongly."""
    late = {row.request.text for row in ROWS[20:]}
    tuned = asked(lambda text: (wrong if any(each in text for each in late) else right)(text), ROWS)
    return report_on(TASK, SETTINGS, tuned, asked(wrong, ROWS[:25]), tags=TAGS)


def test_a_slice_has_the_main_metric_of_its_examples_and_an_interval() -> None:
    found = {each.tag: each for each in report().slices}
    assert {tag: each.examples for tag, each in found.items()} == {"easy": 20, "hard": 10, "hard:late": 10}
    assert (found["easy"].tuned.value, found["hard"].tuned.value) == (1.0, 0.0)
    assert found["easy"].tuned.interval is not None
    base = found["hard"].base
    assert base is not None
    assert (base.value, base.rows) == (0.0, 5)


def test_the_worst_tag_comes_first_and_hard_cases_are_always_on_a_page() -> None:
    shown = report()
    worst, page = worst_tags(shown), tag_table(shown)
    assert worst is not None
    assert page is not None
    assert [row[0] for row in worst[1]] == [f"{HARD}", "hard:late", "easy"]
    assert worst[1][0] == ["hard", "10", "0.000", "0.000"]
    assert "| word_f1 by tag | examples | base | tuned |" in complete(shown)


def test_the_short_form_has_the_hard_cases_as_rows_of_its_one_table() -> None:
    rows = [line for line in short(report()).splitlines() if line.startswith("| word_f1")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| word_f1", "| word_f1, hard (10 examples)", "| word_f1, hard:late (10 examples)",
    ]  # fmt: skip
    assert rows[1].split(" | ")[1:3] == ["0.000", "0.000 (0.000–0.000)"]
    assert len({row.count("|") for row in rows}) == 1


def test_the_attestation_holds_the_slices_and_no_tag_means_no_table() -> None:
    from kit.engines.base import Capabilities

    shown = report()
    (task,) = attestation("b" * 64, [shown], Capabilities("local", "1", 64, True), "d" * 64)["tasks"]
    assert [each["tag"] for each in task["by_tag"]] == ["hard", "hard:late", "easy"]
    alone = report_on(TASK, SETTINGS, asked(right, ROWS))
    assert (alone.slices, tag_table(alone), worst_tags(alone)) == ((), None, None)
