"""What other tools export is imported with the `--map` that the page on data gives."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cli.conftest import Run

PAGE = Path(__file__).parents[3] / "docs" / "guides" / "data.md"
SAID = ("The lift was out of order", "complaint")
TURNS = [{"from": "human", "value": SAID[0]}, {"from": "gpt", "value": SAID[1]}]
CHOICE = {"type": "choices", "value": {"choices": [SAID[1]]}}
EXPORTS: dict[str, tuple[str, Any]] = {
    "Label Studio": ("json", {"id": 3, "data": {"text": SAID[0]}, "annotations": [{"result": [CHOICE]}]}),
    "doccano": ("jsonl", {"id": 3, "text": SAID[0], "label": [SAID[1]]}),
    "Alpaca": ("json", {"instruction": SAID[0], "input": "", "output": SAID[1]}),
    "ShareGPT": ("json", {"conversations": TURNS}),
    "OpenAI chat": (
        "jsonl",
        {
            "messages": [
                {"role": "system", "content": "Sort it."},
                {"role": "user", "content": SAID[0]},
                {"role": "assistant", "content": SAID[1]},
            ]
        },
    ),
    "prompt and completion": ("jsonl", {"prompt": SAID[0], "completion": SAID[1]}),
}


def mapping_of(export: str) -> str:
    """The page's `--map` of an export, with the two fields of the toy project."""
    found = re.search(rf"^\| {export}.* \| `(.+)` \|$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert found is not None
    return found[1].replace("message=", "text=").replace("reply=", "label=")


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_of_another_tool_is_imported(toy: Path, run: Run, export: str) -> None:
    kind, record = EXPORTS[export]
    file = toy / f"export.{kind}"
    file.write_text(json.dumps([record]) if kind == "json" else json.dumps(record) + "\n")
    done = run("data", "import", kind, file.name, "--map", mapping_of(export), "--to", "new.jsonl", "--json", cwd=toy)
    assert (done.code, done.json["added"]) == (0, 1), done.err
    row = json.loads((toy / "new.jsonl").read_text())
    assert (row["request"], row["response"]) == ({"text": SAID[0]}, {"label": SAID[1]})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{}", "not a list of objects"),
        ("[]", "not a list of objects"),
        ("[1, {}]", "row 1: This element is not an object"),
        ("[{]", "This is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_no_table_is_refused(toy: Path, run: Run, content: str, says: str) -> None:
    (toy / "odd.json").write_text(content)
    done = run("data", "import", "json", "odd.json", "--map", "text=a", cwd=toy)
    assert done.code == 2
    assert says in done.err


def test_a_place_that_no_row_has_is_named(toy: Path, run: Run) -> None:
    (toy / "short.json").write_text(json.dumps([{"turns": ["a", "praise"]}]))
    done = run("data", "import", "json", "short.json", "--map", "text=turns.0,label=turns.2", cwd=toy)
    assert (done.code, "no column 'turns.2'" in done.err) == (2, True)
