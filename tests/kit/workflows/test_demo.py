"""`demo` says which commands it runs, and ends with the first one that fails; its whole loop is run from the wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.errors import Exit, InputError, KitError
from kit.workflows import DemoStep, Note, demo, plan_demo


def test_the_plan_takes_a_free_folder_and_names_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert plan_demo().project == tmp_path / "demo-legal"
    (tmp_path / "demo-legal").mkdir()
    plan = plan_demo(engine="local")
    assert plan.project == tmp_path / "demo-legal-2"
    assert [words[0] for words in plan.commands] == ["new", "check", "train", "eval", "serve"]
    assert plan.commands[0] == ("new", "legal", "demo-legal-2")
    assert plan.commands[-1][-2:] == ("--engine", "local")


def test_a_step_that_fails_ends_the_demo_with_its_exit_code_and_its_lines_are_reported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[object] = []
    project = tmp_path / "made"
    project.mkdir()
    (project / "notes.txt").touch()
    with pytest.raises(KitError, match="The demo stopped: kit new ended with exit code 2") as stopped:
        demo("classify", project, report=events.append)
    assert stopped.value.code is Exit.INPUT
    assert events[0] == DemoStep(("new", "classify", "made"))
    assert any(isinstance(event, Note) and "The target is not empty" in event.sentence for event in events)
    assert capfd.readouterr() == ("", "")
    assert [path.name for path in project.iterdir()] == ["notes.txt"]


def test_a_template_that_does_not_exist_is_refused_by_the_plan() -> None:
    with pytest.raises(InputError, match=r"There is no template 'horoscope'\. Known: .*classify, .*legal, .*write"):
        plan_demo("horoscope")
