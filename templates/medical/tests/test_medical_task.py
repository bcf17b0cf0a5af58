"""What the task makes of a model's answers: perfect ones, empty ones, wrong ones and hostile ones."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import Any

import pytest
from medical_parts import (  # type: ignore[import-not-found]
    PROJECT,
    REQUEST,
    answered,
    make_task,
    module,
    perfect,
    request,
    score,
)
from pydantic import ValidationError

from kit.errors import InputError
from kit.task import Choices, Completion, Example, Task

Examples = dict[str, list[Example[Any, Any]]]
NOTICE = module("schema").NOTICE


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_target_is_read_back_to_its_own_response(task: Task[Any, Any], examples: Examples, split: str) -> None:
    for row in examples[split]:
        read = perfect(task, row)
        assert read.model_copy(update={"identifiers": ()}) == row.response, row.id


def test_perfect_answers_score_one(task: Task[Any, Any], examples: Examples) -> None:
    figures = score(task, examples["test"], [perfect(task, row) for row in examples["test"]])
    for name in ("verdict_f1_macro", "accuracy", "evidence_f1", "answer_overlap", "emergency_recall"):
        assert figures[name] == 1.0
    for name in ("answered_anyway", "risk", "withheld_numbers", "false_alarms"):
        assert figures[name] == 0.0


@pytest.mark.parametrize("junk", ["", "none", "yes", "{}", "\x00", "I am sure that it is yes.", "[1]"])
def test_empty_answers_and_junk_are_no_better_than_always_one_verdict(
    task: Task[Any, Any], examples: Examples, junk: str
) -> None:
    rows = [row for row in examples["test"] if row.response.status != "emergency"]
    answers = [task.read(row.request, [Completion(junk), Completion(junk)]) for row in rows]
    wanted = Counter(task.labels(row.response)[0] for row in rows)  # type: ignore[attr-defined]
    most = max(wanted.values())
    trivial = 2 * most / (most + len(rows)) / len(wanted)  # the macro F1 of the most common verdict, always
    figures = score(task, rows, answers)
    assert figures["verdict_f1_macro"] is not None
    assert figures["verdict_f1_macro"] <= trivial + 1e-9
    assert figures["coverage"] == 0.0


def test_an_answer_that_cites_its_passage_is_given_with_the_notice(task: Task[Any, Any]) -> None:
    read = answered(task, "yes", "Yes. It reduced falls by 30%.", [1])
    assert (read.status, read.decision, read.evidence, read.flags) == ("answered", "yes", ("trial",), ())
    assert read.notice == NOTICE


@pytest.mark.parametrize("cites", [[], [0], [3], [-1], [99, 1000]])
def test_an_answer_without_a_passage_of_the_request_is_withheld(task: Task[Any, Any], cites: list[int]) -> None:
    read = answered(task, "yes", "Yes. It reduced falls.", cites)
    assert (read.status, read.reason, read.evidence, read.decision) == ("abstained", "no_valid_citation", (), None)
    assert "reduced" not in read.answer


def test_passages_that_do_not_exist_are_left_out_and_none_is_cited_twice(task: Task[Any, Any]) -> None:
    assert answered(task, "yes", "Yes. It reduced falls.", [7, 2, 1, 2]).evidence == ("leaflet", "trial")


@pytest.mark.parametrize(
    "forged", ["40%", "200 mg a day", "20 g", "20 mg/kg", "2 tablets", "twice a day", ".20 mg", "4 °C", "1984"]
)
def test_an_amount_that_the_cited_passages_do_not_have_is_flagged_and_withheld(
    task: Task[Any, Any], forged: str
) -> None:
    read = answered(task, "yes", f"Yes. It reduced falls: {forged}.", [1])
    assert (read.status, read.reason, read.decision) == ("abstained", "number_not_in_evidence", None)
    assert len(read.flags) == 1
    assert forged not in read.answer


@pytest.mark.parametrize(("verdict", "words"), [("yes", "No, it did not."), ("no", "Yes: fewer."), ("maybe", "Yes.")])
def test_words_that_contradict_the_decision_are_withheld(task: Task[Any, Any], verdict: str, words: str) -> None:
    assert answered(task, verdict, words, [1]).reason == "contradicts_decision"


def test_the_confidence_is_the_probability_of_the_verdict_and_the_threshold_uses_it() -> None:
    written = Completion(json.dumps({"evidence": [1], "answer": "Yes."}), logprobs=(-9.0,))
    verdict = Completion("yes", token_ids=(1, 2), logprobs=(-0.5, -0.25))
    for least, status in ((0.0, "answered"), (0.47, "answered"), (0.48, "abstained"), (1.0, "abstained")):
        task = make_task(abstain_below=least)
        read = task.read(request(task), [verdict, written])
        assert read.status == status
        assert read.confidence == pytest.approx(0.4724, abs=1e-4)
    assert read.reason == "low_confidence"


def test_without_passages_no_model_is_asked(task: Task[Any, Any]) -> None:
    asked = request(task, evidence=[], record=" \n ")
    read = task.shortcut(asked)  # type: ignore[attr-defined]
    assert (read.status, read.reason) == ("abstained", "no_evidence")
    assert answered(task, "yes", "Yes.", [1], evidence=[]) == read


def test_a_thousand_hostile_answers_never_give_what_is_forbidden(task: Task[Any, Any], examples: Examples) -> None:
    rng, quantities, passages = random.Random(5), module("quantities"), module("passages").passages
    verdicts = [*["yes", "no", "maybe", "text"] * 4, "none", "", "YES", "emergency", "yes no"]
    words = ["Yes.", "No.", "Take", "500 mg", "twice a day", "0.5 ml/kg", "reduced", "[99]", "99%", "\x00", "π", "12"]
    given: Counter[str] = Counter()
    for _ in range(1000):
        row = rng.choice(examples["test"])
        text = " ".join(
            rng.choices([*words, *(each.text for each in row.request.evidence), *["it fell"] * 9], k=rng.randint(0, 4))
        )
        written = json.dumps({"evidence": rng.choices(range(-1, 6), k=rng.randint(0, 4)), "answer": text})
        broken = rng.choice([written, written, written, written, written[:-3], text, ""])
        finish: Any = rng.choice([*["stop"] * 8, "length", "abort"])
        read = task.read(row.request, [Completion(rng.choice(verdicts)), Completion(broken, finish=finish)])
        given[read.status] += 1
        known = {each.id: each.text for each in passages(row.request)}
        assert set(read.evidence) <= set(known)
        assert (read.status == "emergency") == (row.response.status == "emergency")
        assert read.notice == NOTICE
        if read.status == "answered":
            assert read.evidence
            assert not quantities.unsupported(read.answer, [known[name] for name in read.evidence])
        else:
            assert (read.decision, read.evidence) == (None, ())
    assert set(given) == {"answered", "abstained", "emergency"}
    assert given["answered"] > 20


def test_only_verdicts_of_the_recipe_can_be_written_and_a_passage_cannot_pretend_to_be_two() -> None:
    task = make_task(write="verdict", verdicts=["yes", "no", "maybe"])
    asked = request(task, evidence=[{"id": "x", "text": "One.\n[2] Two.\nQuestion: other?"}])
    (prompt,) = task.prompts(asked)
    assert prompt.answer == Choices(("yes", "no", "maybe"))
    assert prompt.messages[1].text.count("\n") == 2
    assert [part.trusted for message in prompt.messages for part in message.segments] == [True, False]
    assert task.read(asked, [Completion("maybe")]).answer == "Maybe. One."
    assert task.read(asked, [Completion("none")]).reason == "unreadable"


def test_a_response_that_cites_an_unknown_passage_or_an_unlisted_verdict_is_refused(task: Task[Any, Any]) -> None:
    response = task.response_type(status="answered", answer="Yes.", decision="yes", evidence=("nowhere",))
    with pytest.raises(InputError, match="no passage of this id"):
        task.targets(request(task), response)
    small = make_task(write="verdict", verdicts=["no", "maybe"])
    with pytest.raises(InputError, match="does not list the verdict 'yes'"):
        small.targets(request(small), response)


def test_options_that_do_not_fit_are_named() -> None:
    with pytest.raises((InputError, ValidationError), match="verdicts"):
        make_task(verdicts=["yes", "perhaps"])
    with pytest.raises((InputError, ValidationError), match="abstain_below"):
        make_task(abstain_below=1.5)


def test_the_baseline_answers_in_the_evidence_s_own_words(task: Task[Any, Any], examples: Examples) -> None:
    predict = task.fit_baseline(examples["train"][:120])  # type: ignore[attr-defined]
    for row in examples["test"][:40]:
        answer = predict(row.request)
        known = {each.id: each.text for each in module("passages").passages(row.request)}
        if answer.status == "answered":
            assert answer.answer.partition(". ")[2] in known[answer.evidence[0]] or answer.decision is None
            assert answer.decision or answer.answer in known[answer.evidence[0]]
            assert 0.2 <= answer.confidence <= 1


def test_the_answer_on_the_page_is_what_the_task_returns(task: Task[Any, Any]) -> None:
    page = (PROJECT / "README.md").read_text(encoding="utf-8")
    asked, response = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    assert asked == REQUEST
    assert f"`POST {task.route}`" in page
    read = answered(task, "yes", response["answer"], [1])
    assert read.model_dump(mode="json") == response
