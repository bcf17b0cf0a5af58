"""`evaluate` returns what it measured, and loses nothing when it is interrupted."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from kit.errors import InputError, Interrupted
from kit.workflows import Counted, EvaluationPlan, Note, evaluate, plan_evaluate
from tests.kit.toy import lines, row


def test_an_interrupted_evaluation_continues_and_returns_scores_gates_and_files(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("/")

    def interrupt(event: object) -> None:
        if event == Counted("Scoring tuned", 2, 5):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted, match=r"Interrupted\. [2-5] answers are saved in .*Continue with: kit eval"):
        evaluate(project, limit=5, with_base=False, report=interrupt)

    events: list[object] = []
    result = evaluate(project, limit=5, base_limit=1, report=events.append)
    assert any(isinstance(event, Note) and event.sentence.startswith("Continuing: ") for event in events)
    assert events[-1] == Counted("Scoring base", 1, 1)

    scores = result.scores["toy"]["accuracy"]
    assert scores.tuned is not None
    assert scores.base is not None
    assert result.outcome == "unmeasured"
    assert {gate.name: gate.outcome for gate in result.gates}["data.leaks"] == "held"
    assert result.status.startswith("Status: preview (")
    assert result.attestation is not None
    assert json.loads(result.attestation.read_text())["bundle"] == result.bundle
    assert result.report is not None
    assert len(result.answers.read_text().splitlines()) == 6
    assert not result.problems
    assert capsys.readouterr() == ("", "")


def test_the_plan_says_what_would_be_asked_and_writes_nothing(project: Path) -> None:
    (digest,) = (folder.name for folder in project.glob("bundles/sha256/*"))
    assert plan_evaluate(project, limit=7, base_limit=3) == EvaluationPlan(digest, "local", 7, 3)
    assert plan_evaluate(project, with_base=False) == EvaluationPlan(digest, "local", 20, 0)
    assert not (project / "evaluations").exists()
    with pytest.raises(InputError, match="There is no such folder"):
        plan_evaluate(project, base=project / "nowhere")


def test_examples_of_another_file_are_measured_apart_and_attest_nothing(project: Path, tmp_path: Path) -> None:
    before = set(project.glob("attestations/*/*.json"))
    other = tmp_path / "other.jsonl"
    other.write_text(lines([*(row("other", number) for number in range(6)), row("train", 7, id="copied")]))
    assert plan_evaluate(project, data=other, with_base=False).examples == 7
    events: list[object] = []
    result = evaluate(project, data=other, with_base=False, report=events.append)
    said = [event.sentence for event in events if isinstance(event, Note)]
    assert (
        "1 of the 7 examples were trained on or chose the checkpoint: with new ones, fewer answers are right." in said
    )
    assert result.scores["toy"]["accuracy"].tuned is not None
    assert (result.attestation, result.gates, result.outcome) == (None, (), "unmeasured")
    assert result.status == f"Measured on {other}: no gate was judged, and nothing was attested."
    assert result.report is not None
    report = json.loads(result.report.read_text())
    assert report["data"]["file"] == str(other)
    assert {json.loads(line)["id"] for line in result.answers.read_text().splitlines()} == {
        *(f"other-{number}" for number in range(6)),
        "copied",
    }
    tested = evaluate(project, limit=5, with_base=False)
    assert tested.answers != result.answers
    assert len(tested.answers.read_text().splitlines()) == 5
    assert set(project.glob("attestations/*/*.json")) == {*before, tested.attestation}


def test_an_unfinished_evaluation_of_another_file_is_not_continued_with_the_test_examples(
    project: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.jsonl"
    other.write_text(lines(row("other", number) for number in range(5)))

    def interrupt(event: object) -> None:
        if event == Counted("Scoring tuned", 2, 5):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        evaluate(project, data=other, with_base=False, report=interrupt)
    events: list[object] = []
    tested = evaluate(project, limit=5, with_base=False, report=events.append)
    assert not any(isinstance(event, Note) and event.sentence.startswith("Continuing: ") for event in events)
    result = evaluate(project, data=other, with_base=False, report=events.append)
    assert any(isinstance(event, Note) and event.sentence.startswith("Continuing: ") for event in events)
    assert tested.answers != result.answers
    assert len(result.answers.read_text().splitlines()) == 5


def test_a_page_shows_figures_of_the_test_examples_only(project: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- figures:toy -->\n<!-- /figures -->\n")
    with pytest.raises(InputError, match="A page shows the figures of the test examples only"):
        evaluate(project, data=project / "data/test.jsonl", page=page)


def test_few_shot_is_a_column_of_every_page_and_its_answers_are_saved(project: Path, tmp_path: Path) -> None:
    readme, figures = tmp_path / "README.md", tmp_path / "FIGURES.md"
    readme.write_text("<!-- figures:toy -->\n<!-- /figures -->\n")
    figures.write_text("<!-- figures:toy-all -->\n<!-- /figures -->\n")
    result = evaluate(project, limit=5, few_shot=2, page=[readme, figures])
    assert result.scores["toy"]["accuracy"].few_shot is not None
    (few_shot,) = {who for line in result.answers.read_text().splitlines() if "few" in (who := json.loads(line)["who"])}
    shots = result.attested["tasks"][0]["few_shot"]
    assert (shots["shots"], few_shot) == (2, f"few-shot {shots['data'][:8]}")
    for page in (readme, figures):
        text = page.read_text()
        assert "| metric | base | few-shot | tuned | tuned − base | tuned − few-shot |" in text
        assert "Few-shot: the base with 2 training examples in its prompt. Base: nano. Engine: local." in text
    assert plan_evaluate(project, few_shot=2).few_shot == 2
    with pytest.raises(InputError, match="it needs the base"):
        evaluate(project, few_shot=2, with_base=False)


def test_a_page_without_marks_is_refused_before_anything_is_measured(project: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- figures:other -->\n<!-- /figures -->\n")
    with pytest.raises(InputError, match="no place for the figures 'toy'"):
        evaluate(project, limit=5, page=page)
    assert not list(project.glob("evaluations/*/*"))


def test_all_arguments_out_of_their_bounds_are_refused_at_once(project: Path) -> None:
    with pytest.raises(InputError) as refused:
        evaluate(project, limit=0, engine="ouija")  # type: ignore[arg-type]
    assert {problem.where for problem in refused.value.problems} == {"limit", "engine"}
