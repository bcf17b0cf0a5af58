"""The legal metrics on cases worked out by hand, the token budget, and the classical baseline."""

from __future__ import annotations

import os
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from legal_parts import PROJECT, make_task, module  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.base import NANO
from kit.chat import Renderer
from kit.recipe import load_recipe
from kit.task import ClassicalBaseline, write_answer
from kit.task.loader import load_tasks

TASK = make_task()


def extraction(*clauses: tuple[str, str], absent: tuple[str, ...] = (), **fields: Any) -> Any:
    """An answer with clauses of these labels and texts."""
    starts = [*accumulate((len(text) + 1 for _, text in clauses), initial=0)]
    rows = [
        {"label": label, "exact": text, "start": start, "end": start + len(text)}
        for (label, text), start in zip(clauses, starts, strict=False)
    ]
    return TASK.response_type.model_validate({"clauses": rows, "not_present": absent, **fields})


def scores(*records: Any) -> dict[str, float | None]:
    """All metrics over these records."""
    return {name: metric.reduce(records) for name, metric in TASK.metrics.items()}


def test_a_document_with_a_hit_a_miss_and_two_false_alarms() -> None:
    expected = extraction(("renewal", "one two three four"), ("renewal", "five six"), ("insurance", "seven eight"))
    actual = extraction(
        ("renewal", "one two three"),  # 3 of 4 words: a hit
        ("insurance", "nine ten"),  # nothing in common: a miss and a false clause, but of a kind that is there
        ("assignment", "eleven"),  # a kind that is not there: a false alarm
        absent=("audit_rights",),
    )
    record = TASK.observe(expected, actual)
    assert (record["tp"], record["fp"], record["fn"]) == (1, 2, 2)
    assert (record["tp:renewal"], record["fn:renewal"], record["fp:assignment"]) == (1, 1, 1)
    found = scores(record)
    assert found["clause_f1"] == pytest.approx(2 / 6)
    assert found["jaccard"] == pytest.approx(0.75 / 3)
    assert found["has_answer_accuracy"] == pytest.approx(3 / 4)  # only assignment is wrong
    assert found["false_alarms_per_document"] == 1.0
    assert found["clause_f1_macro"] == pytest.approx((2 / 3 + 0 + 0) / 3)


def test_clauses_pair_one_to_one_the_most_similar_first() -> None:
    expected = extraction(("renewal", "a b c d"), ("renewal", "a b c e"))
    one = TASK.observe(expected, extraction(("renewal", "a b c d")))
    assert (one["tp"], one["fp"], one["fn"]) == (1, 0, 1)
    both = TASK.observe(expected, extraction(("renewal", "a b c e"), ("renewal", "a b c d")))
    assert (both["tp"], both["jaccard"]) == (2, 2.0)
    twice = TASK.observe(extraction(("renewal", "a b c d")), extraction(("renewal", "a b c d"), ("renewal", "a b c d")))
    assert (twice["tp"], twice["fp"], twice["false_alarms"]) == (1, 1, 0)


def test_half_the_words_are_enough_and_less_is_not() -> None:
    expected = extraction(("renewal", "a b c d"))
    assert TASK.observe(expected, extraction(("renewal", "a b")))["tp"] == 1
    assert TASK.observe(expected, extraction(("renewal", "a x")))["tp"] == 0


def test_an_empty_document_rightly_left_empty_counts_for_presence_and_not_for_f1() -> None:
    found = scores(TASK.observe(extraction(), extraction(absent=("renewal", "insurance"))))
    assert found["clause_f1"] is None
    assert found["jaccard"] is None
    assert found["has_answer_accuracy"] == 1.0
    assert found["false_alarms_per_document"] == 0.0


def test_coverage_is_the_mean_over_documents() -> None:
    records = [TASK.observe(extraction(), extraction(coverage=share)) for share in (1.0, 0.5)]
    assert scores(*records)["coverage"] == 0.75


def examples(split: str) -> list[Any]:
    """The template's rows."""
    kind = TASK.example_type()
    return [kind.model_validate_json(line) for line in (PROJECT / f"data/{split}.jsonl").open(encoding="utf-8")]


@pytest.mark.parametrize("profile", ["smoke", "cuad"])
def test_whatever_a_window_holds_its_prompt_and_its_answer_fit_the_context_of_nano(profile: str) -> None:
    recipe = load_recipe(PROJECT / "recipe.yaml", profile)
    (task,) = load_tasks(PROJECT, recipe)
    renderer = Renderer(NANO)
    for text in ("\U0001f4ce\U0001d538" * 2_000, "中文" * 3_000, "1.2;3 " * 3_000, "governed by the law of " * 400):
        for prompt in task.prompts(task.request_type(text=text)):
            assert len(renderer.prompt(prompt)) + prompt.max_tokens <= recipe.serve.max_length == 2048


def longest_in_tokens(task: Any, rows: list[Any]) -> int:
    """Tokens of the longest answer that a model is to write about these documents, with the one that ends it."""
    targets = [target for row in rows for target in task.targets(row.request, row.response)]
    written = [write_answer(target) for target in targets if target is not None]
    renderer = Renderer(NANO)
    return max(len(renderer.answer(text)) for text in sorted(written, key=len)[-40:]) + 1


def test_the_budget_of_an_answer_holds_the_longest_true_one() -> None:
    (task,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml", "smoke"))
    assert longest_in_tokens(task, examples("train") + examples("test")) <= task.options.answer_tokens


@pytest.mark.public_data
@pytest.mark.skipif("DOMAINKIT_DATA" not in os.environ, reason="DOMAINKIT_DATA does not name a folder of public sets")
def test_the_budget_of_an_answer_holds_the_longest_true_one_of_public_contracts() -> None:
    (task,) = load_tasks(PROJECT, load_recipe(PROJECT / "recipe.yaml", "cuad"))
    rows = module("importers").importers["cuad"](Path(os.environ["DOMAINKIT_DATA"]) / "legal/cuad", {})[:100]
    assert longest_in_tokens(task, rows) <= task.options.answer_tokens


@pytest.mark.parametrize("answer", ["quotes", "numbers"])
def test_windows_without_a_clause_can_be_thinned_out_and_always_the_same_ones(answer: str) -> None:
    rows = examples("train")[:200]
    thinned = make_task(answer=answer, window=600, overlap=100, empty_share=0.4)
    whole = make_task(answer=answer, window=600, overlap=100)
    kept = [target for row in rows for target in thinned.targets(row.request, row.response)]
    full = [target for row in rows for target in whole.targets(row.request, row.response)]
    assert kept == [target for row in rows for target in thinned.targets(row.request, row.response)]
    empty = [index for index, target in enumerate(full) if not any(target.model_dump().values())]
    left = sum(kept[index] is not None for index in empty)
    assert 0.2 < left / len(empty) < 0.6
    assert all(kept[index] == full[index] for index in set(range(len(full))) - set(empty))


@pytest.mark.parametrize("options", [{"window": 300, "overlap": 101}, {"categories": ["a", "a"]}, {"categories": []}])
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        type(TASK).Options.model_validate(options)


def test_the_baseline_learns_from_the_training_rows_and_answers_in_the_documents_words() -> None:
    task: Any = TASK  # to the type checker, a capability has nothing else of a task
    assert isinstance(task, ClassicalBaseline)
    assert "TF-IDF" in task.baseline_name
    predict = task.fit_baseline(examples("train")[:200])
    rows = examples("test")[:50]
    predicted = [predict(row.request) for row in rows]
    for row, answer in zip(rows, predicted, strict=True):
        assert all(row.request.text[each.start : each.end] == each.exact for each in answer.clauses)
        assert {each.label for each in answer.clauses} | set(answer.not_present) == set(TASK.options.categories)
    found = scores(*(TASK.observe(row.response, answer) for row, answer in zip(rows, predicted, strict=True)))
    nothing = scores(*(TASK.observe(row.response, extraction(absent=TASK.options.categories)) for row in rows))
    assert found["clause_f1"] is not None
    assert found["clause_f1"] > 0.3
    assert nothing["clause_f1"] == 0.0
    only = predict(rows[0].request.model_copy(update={"categories": ("renewal",)}))
    assert {each.label for each in only.clauses} | set(only.not_present) == {"renewal"}
