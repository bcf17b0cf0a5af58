"""Every answer is saved at once, and an interrupted evaluation asks only the missing ones."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kit.errors import KitError
from kit.evals.measure import TUNED, measure, measure_baseline
from kit.evals.run import Evaluation
from kit.evals.saved import Answers, open_answers
from kit.task import Example, Predictor
from tests.kit.evals.words import CountingEngine, LongWords, Script, Words, answerer, cut, examples, right

BUNDLE = "ab" * 32


def opened(root: Path, **changes: Any) -> Answers:
    return open_answers(root, **{"bundle": BUNDLE, "engine": "local", **changes})


def measured(answers: Answers, rows: list[Example[Any, Any]], script: Script = right) -> tuple[Evaluation, int]:
    """Measure with an engine that writes what `script` returns; return the evaluation, and the number of requests."""
    subject = answerer(script)
    assert isinstance(subject.engine, CountingEngine)

    async def ask() -> Evaluation:
        await subject.engine.start()
        return await measure(answers, subject, TUNED, rows, lambda _: None)

    return asyncio.run(ask()), len(subject.engine.requests)


def lines(answers: Answers) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answers.file.read_text().splitlines()]


def test_every_answer_is_a_line_with_its_score(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        measured(answers, examples(3))
        measured(answers, examples(4)[3:], cut)
        found = {line["id"]: line for line in lines(answers)}
    assert answers.file.relative_to(tmp_path).parts[:2] == ("evaluations", BUNDLE[:12])
    first, last = found["row-0"], found["row-3"]
    assert (first["task"], first["who"], first["group"]) == ("long-words", "tuned", "page-0")
    assert (first["response"], first["error"]) == ({"words": ["lantern0"]}, "")
    assert first["record"] == {"tp": 1, "fp": 0, "fn": 0}
    assert last["response"] is None
    assert "cut off" in last["error"]
    assert last["wrote"][0].startswith("plain")


def test_an_engine_that_fails_half_way_loses_no_answer_and_the_next_time_asks_the_rest(tmp_path: Path) -> None:
    rows = examples(12)
    with opened(tmp_path) as answers:
        subject = answerer(right)
        assert isinstance(subject.engine, CountingEngine)
        engine = subject.engine

        def heard(_: bool) -> None:
            if len(answers) == 5:
                engine.failure = KitError("The engine is gone.")

        async def broken() -> None:
            await engine.start()
            await measure(answers, subject, TUNED, rows, heard)

        with pytest.raises(KitError, match="gone"):
            asyncio.run(broken())
        saved = len(answers)
    assert 5 <= saved < 12
    with opened(tmp_path) as answers:
        assert answers.found == saved
        found, requests = measured(answers, rows)
        assert requests == 12 - saved
        assert len(lines(answers)) == 12
    whole, _ = measured(opened(tmp_path / "other"), rows)
    assert found.rows == whole.rows


@pytest.mark.parametrize("changes", [{"bundle": "cd" * 32}, {"engine": "vllm"}, {"restart": True}])
def test_answers_of_another_bundle_engine_or_machine_are_not_reused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with opened(tmp_path) as answers:
        measured(answers, examples(3))
    with opened(tmp_path, **changes) as other:
        assert (other.found, other.folder == answers.folder) == (0, False)


def test_a_finished_evaluation_is_not_continued(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        measured(answers, examples(3))
        answers.finish({"tasks": [float("nan")]})
    assert json.loads((answers.folder / "report.json").read_text()) == {"tasks": ["nan"]}
    with opened(tmp_path) as other:
        assert other.found == 0


def test_an_evaluation_that_another_process_is_making_is_not_continued(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        measured(answers, examples(3))
        with opened(tmp_path) as other:
            assert other.folder != answers.folder


def test_an_example_that_was_edited_and_a_line_that_is_damaged_are_asked_again(tmp_path: Path) -> None:
    rows = examples(4)
    with opened(tmp_path) as answers:
        measured(answers, rows)
        answers.file.write_bytes(
            b"".join(answers.file.read_bytes().splitlines(keepends=True)[:3]) + b'{"task": "long-w'
        )
    with opened(tmp_path) as answers:
        assert answers.found == 3
        first = next(row for row in rows if row.id == lines(answers)[0]["id"])
        edited = [row.model_copy(update={"group": "new"}) if row is first else row for row in rows]
        _, requests = measured(answers, edited)
        assert requests == 2
        assert len(lines(answers)) == 5


def test_a_full_disk_ends_saving_but_not_measuring(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        full = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115
        os.dup2(full.fileno(), answers._stream.fileno())
        full.close()
        found, _ = measured(answers, examples(4))
        assert [row.record for row in found.rows] == [{"tp": 1, "fp": 0, "fn": 0}] * 4
        assert "No space left" in answers.fault


def test_a_folder_without_write_access_is_refused_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "evaluations").write_text("a file")
    with pytest.raises(KitError, match="The answers cannot be saved: Not a directory"):
        opened(tmp_path)


def test_a_text_that_utf8_cannot_hold_is_saved_as_valid_json(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        found, _ = measured(answers, examples(1))
        odd = found.rows[0].__class__(**{**vars(found.rows[0]), "response": {"words": ["\ud83d", float("inf")]}})
        answers.add("long-words", "other", examples(1)[0], odd, 0.0)
        assert lines(answers)[1]["response"] == {"words": ["\ud83d", "inf"]}


def test_a_task_without_a_classical_method_has_no_baseline(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        assert measure_baseline(answers, LongWords(), pytest.fail, examples(3)) is None


def test_a_classical_methods_answers_are_saved_too(tmp_path: Path) -> None:
    class Known(LongWords):
        """Finds the words that training examples wanted."""

        baseline_name = "known words"

        def fit_baseline(self, rows: Sequence[Example[Any, Any]]) -> Predictor:
            known = {word for row in rows for word in row.response.words}
            return lambda request: Words(words=tuple(word for word in request.text.split() if word in known))

    with opened(tmp_path) as answers:
        found = measure_baseline(answers, Known(), lambda: examples(2), examples(3))
        assert found is not None
        assert [row.record["tp"] for row in found.rows if row.record] == [1, 1, 0]
        assert [(line["who"], line["response"]["words"]) for line in lines(answers)] == [
            ("baseline", ["lantern0"]),
            ("baseline", ["lantern1"]),
            ("baseline", []),
        ]


def test_an_unfinished_evaluation_that_is_not_continued_is_named_with_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as first:
        assert first.passed_over == ""
        measured(first, examples(2))
    monkeypatch.setattr("kit.evals.saved.machine_name", lambda: "another machine")
    with opened(tmp_path) as second:
        assert (
            second.passed_over
            == f"{first.folder.name} is unfinished; it is not continued because these changed: machine."
        )
        assert second.found == 0
