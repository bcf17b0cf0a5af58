"""A project follows its template: what only one side changed is taken, what both changed is merged or marked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.project import template as templates
from kit.project import update as module
from kit.project.template import ORIGIN, find_template, plan_project
from kit.project.update import plan_update
from kit.workflows import plan_update as plan_update_of
from kit.workflows import update

LINES = "".join(f"line {number}\n" for number in range(20))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of templates with one template, that tests may change as a newer kit would."""
    folder = tmp_path / "templates"
    shutil.copytree(find_template("classify").folder, folder / "classify")
    for name in ("notes.md", "going.md", "mine.md", "both.md", "clash.md", "lost.md"):
        (folder / "classify" / name).write_text(LINES)
    monkeypatch.setattr(templates, "_templates_folder", lambda: folder)
    return folder / "classify"


@pytest.fixture
def project(shelf: Path, tmp_path: Path) -> Path:
    """A project of that template, which its user has changed."""
    root = tmp_path / "project"
    plan_project("classify", root, "tickets").make()
    (root / "mine.md").write_text(LINES + "mine\n")
    (root / "both.md").write_text("mine\n" + LINES)
    (root / "clash.md").write_text(LINES.replace("line 7", "my line"))
    (root / "lost.md").unlink()
    (root / "own.md").write_text("only in the project\n")
    return root


def newer(shelf: Path) -> None:
    """What a newer kit brings."""
    (shelf / "notes.md").write_text(LINES + "theirs\n")
    (shelf / "both.md").write_text(LINES + "theirs\n")
    (shelf / "clash.md").write_text(LINES.replace("line 7", "their line"))
    (shelf / "lost.md").write_text(LINES + "theirs\n")
    (shelf / "fresh").mkdir()
    (shelf / "fresh" / "new.md").write_text("new\n")
    (shelf / "going.md").unlink()
    (shelf / "mine.md").unlink()


def test_nothing_changes_where_the_template_did_not(project: Path) -> None:
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    result = update(project)
    assert result.changes_nothing
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


def test_every_file_gets_what_it_should(shelf: Path, project: Path) -> None:
    newer(shelf)
    planned = plan_update_of(project)
    before = (project / "both.md").read_text()
    assert before == "mine\n" + LINES  # a plan writes nothing
    result = update(project)
    assert result == planned
    assert (result.added, result.updated, result.removed) == (("fresh/new.md",), ("notes.md",), ("going.md",))
    assert (result.merged, result.conflicts) == (("both.md",), ("clash.md",))
    assert (result.kept, result.deleted) == (("mine.md",), ("lost.md",))
    assert (project / "both.md").read_text() == "mine\n" + LINES + "theirs\n"
    assert (project / "mine.md").read_text() == LINES + "mine\n"
    assert not (project / "going.md").exists()
    assert not (project / "lost.md").exists()
    assert (project / "own.md").read_text() == "only in the project\n"
    clash = (project / "clash.md").read_text()
    assert "<<<<<<< yours\nmy line\n" in clash
    assert "their line\n>>>>>>> template of domainkit" in clash
    assert "name: tickets" in (project / "recipe.yaml").read_text()


def test_a_second_update_has_nothing_to_do_and_waits_for_conflicts(shelf: Path, project: Path) -> None:
    newer(shelf)
    update(project)
    assert plan_update_of(project).changes_nothing
    (shelf / "clash.md").write_text(LINES.replace("line 9", "a later line"))
    with pytest.raises(InputError, match="still has conflict markers"):
        plan_update(project)
    (project / "clash.md").write_text(LINES.replace("line 7", "chosen"))
    update(project)
    assert "<<<<<<<" in (project / "clash.md").read_text()  # the template gave line 7 back, which the user had changed


def test_an_update_that_was_interrupted_can_be_made_again(
    shelf: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer(shelf)
    expected = plan_update_of(project)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "copy_texts", stop)
        with pytest.raises(KeyboardInterrupt):
            plan_update(project).make()
    (project / ORIGIN).rename((project / ORIGIN).with_name("origin.old"))  # or between the two renames at the end
    (project / "clash.md").write_text(LINES.replace("line 7", "my line"))
    again = update(project)
    assert again.conflicts == expected.conflicts
    assert json.loads((project / ORIGIN.with_suffix(".json")).read_text())["template"] == "classify"
    assert plan_update_of(project).changes_nothing


def test_a_project_without_origin_or_template_says_so(shelf: Path, project: Path) -> None:
    file = project / ORIGIN.with_suffix(".json")
    file.write_text(json.dumps({"template": "gone", "version": "0.1.0"}))
    with pytest.raises(InputError, match="no template 'gone'"):
        plan_update(project)
    file.unlink()
    with pytest.raises(InputError, match="does not say which template"):
        plan_update(project)
