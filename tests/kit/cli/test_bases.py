"""What is wrong with a base is one line of `kit check`, and stops training, measuring and serving before they load."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kit.checks import Check, exit_code
from kit.errors import Exit, InputError
from kit.preflight.report import preflight
from kit.project.project import Project
from kit.workflows.steps.training.inputs import read_inputs
from tests.kit.bases import copy_nano, edit_json, edit_weights
from tests.kit.cli.conftest import Run, with_training


def with_base(project: Path, model: str = "./models/plain") -> Path:
    """Give the project a copy of nano, and its recipe the base's name; return the copy."""
    recipe = yaml.safe_load((project / "recipe.yaml").read_text())
    (project / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "base": {"model": model}}))
    return copy_nano(project / "models" / "plain")


def found(project: Path) -> tuple[Exit, dict[str, Check]]:
    """What `kit check` finds out, by the name of the check, and its exit code."""
    checks = preflight(Project(project), Project(project).recipe()).checks
    return exit_code(checks), {check.name: check for check in checks}


def no_embedding(folder: Path) -> None:
    """Let the template write a token that the tokenizer knows and the model does not."""
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 8192, "content": "<|new|>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    template = folder / "chat_template.jinja"
    template.write_text("<|new|>" + template.read_text())


def no_generation_prompt(folder: Path) -> None:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().partition("{% if add_generation_prompt")[0])


def another_prompt(folder: Path) -> None:
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_start|>assistant", "<|im_start|>robot"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str, str]] = {
    "a head in no file": (
        lambda folder: edit_json(folder / "config.json", tie_word_embeddings=False),
        *("base.tensors", "config.json", "no file holds lm_head.weight"),
    ),
    "a broken value": (
        lambda folder: edit_weights(
            folder, lambda state: {**state, "model.norm.weight": state["model.norm.weight"] / 0}
        ),
        *("base.values", "model.safetensors", "infinite or not a number"),
    ),
    "quantised": (
        lambda folder: edit_json(folder / "config.json", quantization_config={"quant_method": "awq"}),
        *("base.files", "config.json", "quantised already (awq)"),
    ),
    "an end outside": (
        lambda folder: edit_json(folder / "config.json", eos_token_id=8192),
        *("base.ids", "config.json", "eos_token_id is 8192"),
    ),
    "a token outside": (no_embedding, "base.template", "tokenizer.json", "The token '<|new|>' has the id 8192"),
    "no template": (
        lambda folder: (folder / "chat_template.jinja").unlink(),
        *("base.template", "plain", "no chat template"),
    ),
    "no generation prompt": (
        no_generation_prompt,
        *("base.template", "chat_template.jinja", "no generation prompt: after a question, the answer starts with"),
    ),
    "another generation prompt": (
        another_prompt,
        *("base.template", "chat_template.jinja", "does not start with its own prompt"),
    ),
    "a broken tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        *("base.template", "tokenizer.json", "cannot be read"),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_failed_check_with_its_file(toy: Path, name: str) -> None:
    damage, check, file, words = DAMAGES[name]
    damage(with_base(toy))
    code, checks = found(toy)
    (problem,) = checks[check].problems
    assert (code, checks[check].state, Path(problem.where).name) == (Exit.INPUT, "failed", file)
    assert words in problem.what
    assert problem.next
    assert "think" not in problem.next
    assert {name for name, each in checks.items() if each.state == "failed" and each.blocking} == {check}


def test_a_family_that_is_not_listed_is_not_said_to_hold(toy: Path) -> None:
    edit_json(with_base(toy) / "config.json", model_type="stablelm")
    code, checks = found(toy)
    assert (code, checks["base.tensors"].state, checks["base.files"].state) == (Exit.UNMEASURED, "unmeasured", "held")


def test_checking_and_training_refuse_it_before_a_run_is_made(toy: Path, run: Run) -> None:
    edit_json(with_base(with_training(toy)) / "config.json", tie_word_embeddings=False)
    checked, trained = run("check", cwd=toy), run("train", cwd=toy)
    assert (checked.code, trained.code) == (2, 2)
    for said in (checked.out, trained.err):
        assert f"{toy}/models/plain/config.json: The output head is not tied" in said
    assert not (toy / "runs").exists()


@pytest.mark.parametrize("name", ["a broken value", "an end outside", "a token outside", "no generation prompt"])
def test_a_plan_to_train_or_to_search_refuses_it(toy: Path, name: str) -> None:
    damage, _, _, words = DAMAGES[name]
    damage(with_base(toy))
    project = Project(toy)
    with pytest.raises(InputError, match=re.escape(words)):
        read_inputs(project, project.recipe(), None)


@pytest.mark.parametrize("model", ["models/plain", "./models/plain"])
def test_a_base_is_a_folder_of_the_project_wherever_the_command_is_called(
    toy: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    folder = with_base(toy, model)
    monkeypatch.chdir(toy / "data")
    project = Project.find()
    assert found(project.root)[0] == Exit.OK
    plan = read_inputs(project, project.recipe(), None)
    assert (plan.base.folder, plan.base.name) == (folder, model)


def test_a_folder_that_is_not_there_is_told_with_the_place_that_was_looked_at(toy: Path, run: Run) -> None:
    with_base(toy, "./models/plian")
    ran = run("check", cwd=toy / "data")
    assert ran.code == 2
    assert f"{toy / 'models' / 'plian'}: There is no base model './models/plian'." in ran.err
