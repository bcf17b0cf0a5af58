"""PubMedQA and MedQuAD become examples; every fault in a copy is reported with its place."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from medical_parts import make_task, module  # type: ignore[import-not-found]

from kit.errors import InputError

importers = module("importers").importers
ITEM = {
    "QUESTION": "Does a walk help sleep?",
    "CONTEXTS": ["Forty people walked each day.", "They slept longer."],
    "LABELS": ["METHODS", "RESULTS"],
    "LONG_ANSWER": "A daily walk was followed by longer sleep.",
    "final_decision": "yes",
}


def write(folder: Path, name: str, content: Any) -> Path:
    """Write a JSON file in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("name", ["ori_pqal.json", "train.json", "data/ori_pqal.json"])
def test_pubmedqa_is_read_from_a_file_or_its_folder(tmp_path: Path, name: str) -> None:
    file = write((tmp_path / name).parent, Path(name).name, {"11": ITEM, "12": {**ITEM, "QUESTION": "Other?"}})
    (first, second) = importers["pubmedqa"](tmp_path, {})
    assert [first, second] == list(importers["pubmedqa"](file, {}))
    assert (first.id, first.response.decision, first.response.evidence) == ("pubmedqa-11", "yes", ("11-1", "11-2"))
    assert first.group != second.group
    task = make_task(write="verdict", verdicts=["yes", "no", "maybe"])
    assert task.targets(first.request, first.response) == ["yes"]


def test_the_official_test_is_left_out_if_its_list_is_there(tmp_path: Path) -> None:
    write(tmp_path, "ori_pqal.json", {"11": ITEM, "12": ITEM})
    write(tmp_path, "test_ground_truth.json", {"12": "yes"})
    assert [each.id for each in importers["pubmedqa"](tmp_path, {})] == ["pubmedqa-11"]


def test_every_fault_of_a_copy_is_reported_at_once(tmp_path: Path) -> None:
    bad = {"1": {**ITEM, "final_decision": "perhaps"}, "2": {"QUESTION": "x"}, "3": {**ITEM, "CONTEXTS": [" "]}, "4": 7}
    file = write(tmp_path, "ori_pqal.json", bad)
    with pytest.raises(InputError) as caught:
        importers["pubmedqa"](file, {})
    assert [f"{file}: {name}" in str(caught.value) for name in bad] == [True] * 4


@pytest.mark.parametrize("name", ["pubmedqa", "medquad"])
def test_no_file_no_json_and_unknown_settings_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="There is no file"):
        importers[name](tmp_path, {})
    with pytest.raises(InputError, match="has no setting 'kinds'"):
        importers[name](tmp_path, {"kinds": "all"})
    (tmp_path / "x.json").write_text("nothing", encoding="utf-8")
    with pytest.raises(InputError, match="not JSON"):
        importers[name](tmp_path / "x.json", {})


def test_medquad_gives_answers_in_words_by_focus(tmp_path: Path) -> None:
    row = {
        "id": "1-1",
        "focus": "Gout",
        "question": "What is gout?",
        "answer": "Gout is sore. It hurts. " + "More. " * 99,
    }
    lines = [row, {**row, "id": "1-2", "question": "Who gets gout?"}, {**row, "id": "1-3", "answer": " "}]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    first, second = importers["medquad"](tmp_path, {})
    assert first.group == second.group
    assert first.response.decision is None
    assert first.response.answer in first.request.evidence[0].text
    assert make_task().targets(first.request, first.response)[0] == "text"


@pytest.mark.public_data
@pytest.mark.skipif("DOMAINKIT_DATA" not in os.environ, reason="DOMAINKIT_DATA does not name a folder of public sets")
def test_the_shared_sets_are_read_whole() -> None:
    folder = Path(os.environ["DOMAINKIT_DATA"]) / "medical"
    labelled = importers["pubmedqa"](folder / "pubmedqa", {})
    assert Counter(row.response.decision for row in labelled) == {"yes": 276, "no": 169, "maybe": 55}
    answers = importers["medquad"](folder / "medquad", {})
    assert len(answers) > 14_000
    flags = module("red_flags").red_flags()
    questions = [row.request.question for row in (*labelled, *answers)]
    assert sum(flags.find(each) is not None for each in questions) <= 0.001 * len(questions)
