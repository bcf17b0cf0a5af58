"""`import_set`: an importer of the project writes training and test files, both of them or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import InputError
from kit.project.template import plan_project
from kit.workflows import import_set
from tests.kit.toy import make_toy


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "toy")


def test_a_set_whose_import_is_interrupted_leaves_both_old_files(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "set.tsv"
    file.write_text("".join(f"praise\tgroup{number} says it\n" for number in range(20)))
    import_set(toy, name="lines", path=file)
    parts = [toy / "data" / f"lines-{part}.jsonl" for part in ("train", "test")]
    before = [part.read_bytes() for part in parts]
    file.write_text(file.read_text().replace("praise", "complaint"))
    replace, calls = Path.replace, list[Path]()

    def stop_at_the_second(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        import_set(toy, name="lines", path=file, replace=True)
    assert [part.read_bytes() for part in parts] == before
    assert len(list((toy / "data").iterdir())) == 4


def test_a_project_without_importers_says_how_to_import_a_table(tmp_path: Path) -> None:
    plan_project("classify", tmp_path / "plain").make()
    with pytest.raises(InputError, match=r"imports no public sets.*kit data import csv FILE"):
        import_set(tmp_path / "plain", name="csvs", path=tmp_path)
