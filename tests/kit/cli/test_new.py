"""`kit new`: a plain copy of a template in one step, or nothing at all."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kit.project.template import NewProject, Template, find_template, list_templates
from kit.recipe import load_recipe
from tests.kit.cli.conftest import ENVIRONMENT, Run

LEGAL = find_template("legal").folder


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_project_is_the_template_byte_for_byte_and_keeps_the_pristine_texts(tmp_path: Path, run: Run) -> None:
    ran = run("new", "legal", cwd=tmp_path)
    assert ran.code == 0
    assert "cd legal && kit check" in ran.out
    made = files(tmp_path / "legal")
    pristine = {name: text for name, text in made.items() if not name.startswith(".kit/")}
    assert pristine == files(LEGAL)
    assert files(tmp_path / "legal" / ".kit" / "origin") == pristine
    assert json.loads(made[".kit/origin.json"])["template"] == "legal"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["legal"]


def test_a_name_is_written_into_the_recipe_and_nothing_else_changes(tmp_path: Path, run: Run) -> None:
    assert run("new", "legal", "lease", "--name", "lease-review", cwd=tmp_path).code == 0
    recipe = load_recipe(tmp_path / "lease" / "recipe.yaml")
    assert recipe.name == "lease-review"
    assert recipe.model_copy(update={"name": "legal"}) == load_recipe(LEGAL / "recipe.yaml")


def test_an_empty_folder_that_the_shell_is_in_is_filled_and_stays_the_same_folder(tmp_path: Path, run: Run) -> None:
    here = tmp_path / "mine"
    here.mkdir()
    number = here.stat().st_ino
    assert run("new", "legal", ".", cwd=here).code == 0
    assert here.stat().st_ino == number
    assert (here / "recipe.yaml").is_file()
    assert run("check", "--recipe-only", cwd=here).code == 0


@pytest.mark.parametrize("words", [(), ("--list",)])
def test_templates_and_starters_are_listed_with_one_line_each(words: tuple[str, ...], tmp_path: Path, run: Run) -> None:
    listed = run("new", *words, "--json", cwd=tmp_path).json["templates"]
    assert [each["name"] for each in listed] == [template.name for template in list_templates()]
    ran = run("new", *words, cwd=tmp_path)
    assert ran.code == 0
    for each in listed:
        assert each["summary"]
        assert f"{each['name']} " in ran.out
        assert f"  {each['summary']}\n" in ran.out
    assert list(tmp_path.iterdir()) == []


def test_a_template_is_a_starter_by_the_first_line_of_its_readme(tmp_path: Path) -> None:
    template = Template("small", tmp_path)
    assert not template.is_starter
    (tmp_path / "README.md").write_text("# small: a template\n\n# Starter: no\n")
    assert not template.is_starter
    (tmp_path / "README.md").write_text("# Starter: a label for a text\n")
    assert template.is_starter


def test_a_dry_run_lists_the_files_and_makes_none(tmp_path: Path, run: Run) -> None:
    ran = run("new", "legal", "--dry-run", "--json", cwd=tmp_path)
    assert ran.code == 0
    assert {"recipe.yaml", "task.py", "data/train.jsonl"} <= set(ran.json["files"])
    assert ran.json["made"] is False
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_template_gets_the_near_miss_and_leaves_nothing(tmp_path: Path, run: Run) -> None:
    ran = run("new", "legl", cwd=tmp_path)
    assert (ran.code, ran.err) == (2, "There is no template 'legl'. Did you mean 'legal'?\n")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_is_not_empty_is_refused_and_not_touched(tmp_path: Path, run: Run) -> None:
    (tmp_path / "legal").mkdir()
    (tmp_path / "legal" / "mine.txt").write_text("mine")
    ran = run("new", "legal", cwd=tmp_path)
    assert ran.code == 2
    assert "The target is not empty, and files are not overwritten." in ran.err
    assert files(tmp_path) == {"legal/mine.txt": b"mine"}


def test_a_target_that_is_a_file_is_refused(tmp_path: Path, run: Run) -> None:
    (tmp_path / "legal").write_text("mine")
    ran = run("new", "legal", cwd=tmp_path)
    assert ran.code == 2
    assert "The target is a file." in ran.err


def test_a_target_in_a_folder_that_is_not_there_is_refused(tmp_path: Path, run: Run) -> None:
    ran = run("new", "legal", "no/where", cwd=tmp_path)
    assert ran.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_cannot_be_one_is_refused_before_anything_is_made(tmp_path: Path, run: Run) -> None:
    ran = run("new", "legal", "--name", "Lease Review", cwd=tmp_path)
    assert ran.code == 2
    assert "'Lease Review' is not a name." in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_copy_that_breaks_leaves_nothing_behind(tmp_path: Path, exists: bool) -> None:
    broken = tmp_path / "template"
    broken.mkdir()
    (broken / "recipe.yaml").write_text("name: broken\n")
    (broken / "dangling").symlink_to(tmp_path / "nowhere")
    work = tmp_path / "work"
    work.mkdir()
    if exists:
        (work / "made").mkdir()
    with pytest.raises(OSError, match="dangling"):
        NewProject(Template("broken", broken), work / "made", None).make()
    assert files(work) == {}
    assert [path.name for path in work.iterdir()] == (["made"] if exists else [])


def test_what_running_a_template_made_is_not_copied(tmp_path: Path) -> None:
    used = tmp_path / "template"
    for name in ("runs/1", "__pycache__", "bundles", ".kit/origin", ".pytest_cache", "data"):
        (used / name).mkdir(parents=True)
        (used / name / "file").write_text("x")
    (used / "recipe.yaml").write_text("name: used\n")
    plan = NewProject(Template("used", used), tmp_path / "made", None)
    assert plan.files() == ["data/file", "recipe.yaml"]
    plan.make()
    assert set(files(tmp_path / "made" / ".kit" / "origin")) == {"data/file", "recipe.yaml"}


def test_the_next_step_works_as_it_is_printed_where_the_default_base_is_not_here(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENVIRONMENT, "HF_HOME", str(tmp_path / "no-models"))
    (tmp_path / "my work").mkdir()
    ran = run("new", "legal", "a project", cwd=tmp_path / "my work")
    (step,) = (line.removeprefix("Next: ") for line in ran.out.splitlines() if line.startswith("Next: "))
    assert step == "cd 'a project' && kit check --profile smoke"
    assert "the base is Qwen/Qwen3-4B-Instruct-2507, which `kit train` downloads first" in ran.out
    words = step.replace("kit ", f"{shlex.quote(sys.executable)} -m kit ")
    done = subprocess.run(
        words, shell=True, cwd=tmp_path / "my work", env=ENVIRONMENT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_next_step_in_the_folder_that_one_is_in_needs_no_cd(tmp_path: Path, run: Run) -> None:
    assert "\nNext: kit check" in run("new", "legal", ".", cwd=tmp_path).out


def test_update_says_what_it_would_change_and_what_it_changed(tmp_path: Path, run: Run) -> None:
    root = tmp_path / "project"
    assert run("new", "classify", root, cwd=tmp_path).code == 0
    assert "has all of the template 'classify'" in run("update", cwd=root).out
    for folder in (root, root / ".kit" / "origin"):  # as if an earlier kit had made it
        (folder / "task.py").write_text((folder / "task.py").read_text().replace("Ticket", "Letter"))
    dry = run("update", "--dry-run", cwd=root)
    assert (dry.code, "Would bring" in dry.out, "Letter" in (root / "task.py").read_text()) == (0, True, True)
    done = run("update", "--json", cwd=root)
    assert (done.code, done.json["updated"], "Letter" in (root / "task.py").read_text()) == (0, ["task.py"], False)
    (root / ".kit" / "origin" / "README.md").write_text("# Another beginning\n")
    (root / "README.md").write_text("# Mine\n")
    assert run("update", cwd=root).code == 4
    assert "<<<<<<< yours" in (root / "README.md").read_text()
