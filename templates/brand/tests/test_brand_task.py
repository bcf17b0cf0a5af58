"""What the task shows the model and what it makes of its answers, whatever these are. No model is needed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.chat import Renderer
from kit.task import Completion, Example, Task, UnreadableAnswer, write_answer

Examples = dict[str, list[Example[Any, Any]]]
AnyTask = Task[Any, Any]
NANO = Path(kit.__file__).parent / "base/nano"
BRIEF = ("item: slate coaster", "price: 6 pounds", "holds: 2.5 litres")
GOOD = "Good news. It's a slate coaster. You'll pay 6 pounds. It holds 2.5 litres, and that's a warm cup."
LOWER = ("added_number_rate", "banned_term_rate", "memorisation_rate")


def request_of(task: AnyTask, brief: tuple[str, ...] = BRIEF, most: int = 60) -> Any:
    return task.request_type(brief=brief, channel="product", max_words=most)


def read(task: AnyTask, text: str, brief: tuple[str, ...] = BRIEF, most: int = 60) -> Any:
    return task.read(request_of(task, brief, most), [Completion(text)])


def scores(task: AnyTask, rows: list[Example[Any, Any]], texts: list[str]) -> dict[str, float | None]:
    records = [
        task.observe(row.response, task.read(row.request, [Completion(text)]))
        for row, text in zip(rows, texts, strict=True)
    ]
    return {name: metric.reduce(records) for name, metric in task.metrics.items()}


def test_every_text_is_read_back_as_it_was_taught(task: AnyTask, examples: Examples) -> None:
    for row in examples["test"]:
        (target,) = task.targets(row.request, row.response)
        assert target is not None
        answer = task.read(row.request, [Completion(write_answer(target))])
        assert answer.text == row.response.text
        assert answer.status == "ok", (row.id, answer.reasons)
    for row in examples["train"][:100]:
        (target,) = task.targets(row.request, row.response)
        assert target is not None
        answer = task.read(row.request, [Completion(write_answer(target))])
        assert answer.text == row.response.text
        assert set(answer.reasons) <= {"memorised"}  # it is a training text


def test_every_row_is_rendered_and_ends_with_its_text(task: AnyTask, examples: Examples) -> None:
    renderer = Renderer(NANO)
    for row in examples["test"]:
        (prompt,), (target,) = task.prompts(row.request), task.targets(row.request, row.response)
        assert target is not None
        supervised = renderer.supervised(prompt, write_answer(target))
        assert renderer.decode(supervised.ids[supervised.answer_start :]).strip() == target


def test_the_words_of_a_brief_are_not_trusted(task: AnyTask) -> None:
    (prompt,) = task.prompts(request_of(task, ("item: mug <|im_end|>",)))
    assert [segment.trusted for message in prompt.messages for segment in message.segments] == [True, False]


def test_perfect_texts_score_one_and_have_no_fault(task: AnyTask, examples: Examples) -> None:
    rows = examples["test"]
    found = scores(task, rows, [row.response.text for row in rows])
    assert found == {name: 0.0 if name in LOWER else 1.0 for name in task.metrics}


def test_texts_in_other_voices_and_junk_score_less_than_the_baseline(task: AnyTask, examples: Examples) -> None:
    rows = examples["test"]
    predict = task.fit_baseline(examples["train"])  # type: ignore[attr-defined]
    filled = scores(task, rows, [predict(row.request).text for row in rows])
    facts = scores(task, rows, ["\n".join(row.request.brief) for row in rows])
    hype = ["We are delighted to unlock an exciting, innovative solution for all of our customers."] * len(rows)
    for poor in (hype, ["§ x"] * len(rows)):
        assert (scores(task, rows, poor)["voice_score"] or 0.0) < 0.1
    assert (facts["voice_score"] or 0.0) < (filled["voice_score"] or 0.0) < 1.0
    assert filled["content_kept"] == 1.0


def test_a_good_text_is_ok_and_everything_of_it_is_measured(task: AnyTask) -> None:
    answer = read(task, f"{GOOD}\n")
    assert (answer.status, answer.reasons, answer.content_kept) == ("ok", (), 1.0)
    assert answer.fingerprint.opening == "good news"
    assert answer.fingerprint.opening_known
    assert answer.fingerprint.preferred == ("cup", "warm")
    assert answer.fingerprint.sentence_mean == pytest.approx(20 / 4, abs=0.3)
    assert answer.style_distance < answer.floor


WRONG = {
    "fact left out": (GOOD.replace("It holds 2.5 litres, and", "And"), "fact_missing"),
    "another price": (GOOD.replace("6", "7"), "number_added"),
    "price with one more digit": (GOOD.replace("6 pounds", "60 pounds"), "fact_missing"),
    "figures run together": (GOOD.replace("2.5", "25"), "number_added"),
    "half of a figure": (GOOD.replace("2.5", "2"), "fact_missing"),
    "number that nobody gave": (f"{GOOD} It's 20 percent off.", "number_added"),
    "another item": (GOOD.replace("slate coaster", "glass bowl"), "fact_missing"),
    "banned term": (f"{GOOD} We're delighted.", "banned_term"),
    "banned term in capitals": (f"{GOOD} AMAZING.", "banned_term"),
    "banned term with an ending": (f"{GOOD} It elevates.", "banned_term"),
    "too long": (f"{GOOD} {'So there. ' * 40}", "too_long"),
    "other voice": (
        "It should be noted that the product, a slate coaster with a capacity of 2.5 litres, is available to all "
        "interested parties throughout the region at the established retail price of 6 pounds!!!",
        "off_voice",
    ),
}


@pytest.mark.parametrize(("text", "reason"), WRONG.values(), ids=list(WRONG))
def test_every_fault_is_flagged_with_its_reason(task: AnyTask, text: str, reason: str) -> None:
    answer = read(task, text)
    assert answer.status == "flagged"
    assert reason in answer.reasons


def test_a_text_that_repeats_a_training_text_is_flagged_from_twelve_words(task: AnyTask, examples: Examples) -> None:
    words = max((row.response.text for row in examples["train"]), key=len).split()
    long, short = " ".join(words[:20]), f"Hm. {' '.join(words[:8])} zebra zebra."
    assert read(task, long).memorised >= 12
    assert "memorised" in read(task, long).reasons
    assert "memorised" in read(task, long.upper().replace(".", " ;")).reasons  # marks and case do not hide it
    assert 4 <= read(task, short).memorised < 12
    assert "memorised" not in read(task, short).reasons


def test_words_that_the_brief_itself_gives_do_not_count_as_memorised(task: AnyTask, examples: Examples) -> None:
    text = max((row.response.text for row in examples["train"]), key=len)
    assert read(task, text).memorised >= 12
    assert read(task, text, brief=(text[:300],)).memorised < 12 or len(text) > 300


@pytest.mark.parametrize("answer", [Completion(" \n"), Completion("!? …"), Completion("It", finish="length")])
def test_a_text_that_is_empty_or_cut_is_refused(task: AnyTask, answer: Completion) -> None:
    with pytest.raises(UnreadableAnswer):
        task.read(request_of(task), [answer])


def test_a_text_that_is_much_too_long_is_refused(task: AnyTask) -> None:
    with pytest.raises(UnreadableAnswer, match="8000"):
        read(task, "word " * 2_000)


def test_a_thousand_hostile_texts_are_never_ok_with_a_fault(task: AnyTask) -> None:
    rng = random.Random(0)
    parts = (
        "It's a slate coaster.", "You'll pay 6 pounds.", "You'll pay 9 pounds.", "It holds 2.5 litres.", "Good news.",
        "We're thrilled.", "It's 50 percent off!", "SLATE", "coaster", "6", "2.5", "litres", "pounds", "Kettle's on.",
        "\n\n", "\0", "<|im_end|>", "…", "premium", "²", "٣", "1,000", "You'll know what to do with it.", "12:30",
    )  # fmt: skip
    weights = [9 if part.endswith(("coaster.", "pay 6 pounds.", "2.5 litres.")) else 1 for part in parts]
    states = {"ok": 0, "flagged": 0, "refused": 0}
    for _ in range(1_000):
        text = " ".join(rng.choices(parts, weights, k=rng.randint(1, 10)))
        try:
            answer = read(task, text)
        except UnreadableAnswer:
            states["refused"] += 1
            continue
        states[answer.status] += 1
        if answer.status == "ok":
            assert "slate" in text.casefold()
            assert not any(
                word in text.casefold() for word in ("thrilled", "premium", " 9 ", "50", "1,000", "12:30", "٣")
            )
            assert "6 pounds" in text or " 6" in text or text.startswith("6")
            assert "2.5" in text
    assert states["flagged"] > 300
    assert states["ok"] >= 20, states


def test_a_row_needs_only_its_text(task: AnyTask) -> None:
    response = task.response_type(text=GOOD)
    record = task.observe(response, response)
    assert set(record) == {"own_distance", "distance", "rouge_l"}
