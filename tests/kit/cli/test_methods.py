"""Tuning methods on the command line: checks before a run, and settings that a run did not apply as asked."""

from __future__ import annotations

from pathlib import Path

from kit.project.project import Project
from kit.project.runs import new_run
from kit.train.report.applied import Fact, write_facts
from tests.kit.cli.conftest import Run
from tests.kit.cli.test_check import edit, states

BOTTLENECK = "  method: bottleneck\n  max_length: 256"


def test_servability_and_ranges_are_told_without_the_heavy_packages(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", "  max_length: 256\n  lora: {dora: true}\n  learning_rate: 0.09")
    ran = run("check", cwd=toy)
    assert ran.code == 0
    assert "ok  servability: lora, rank 16: serves merged on vllm and local. vLLM" in ran.out
    assert "does not support DoRA adapters." in ran.out
    assert "warning  train.learning_rate: 0.09 is above the recommended range" in ran.out


def test_attaching_is_asked_for_and_tells_modules_and_parameters(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", "  max_length: 256\n  method: peft\n  peft: {type: LOHA}")
    ran = run("check", "--json", "--attach", cwd=toy)
    assert ran.code == 3  # nothing is known of safe learning rates for it
    found = states(ran.json)
    assert (found["train.attach"], found["servability"]) == ("held", "held")
    (attached,) = [check for check in ran.json["checks"] if check["name"] == "train.attach"]
    assert "on 56 modules" in attached["what"]
    assert states(run("check", "--json", cwd=toy).json)["servability"] == "unmeasured"


def test_an_argument_of_another_method_fails_when_it_is_attached(toy: Path, run: Run) -> None:
    method = "  method: peft\n  peft: {type: LOHA, arguments: {alfa: 3}}"
    edit(toy / "recipe.yaml", "  max_length: 256", f"  max_length: 256\n{method}")
    ran = run("check", "--attach", cwd=toy)
    assert ran.code == 2
    assert "LOHA has no argument 'alfa'. Did you mean 'alpha'?" in ran.out


def test_what_cannot_be_served_is_not_trained(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", BOTTLENECK)
    ran = run("train", cwd=toy)
    assert ran.code == 2
    assert "bundle.form: merged cannot be served. Bottleneck layers cannot be merged" in ran.err
    assert "Set bundle.form: adapter." in ran.err
    assert not (toy / "runs").exists()


def test_an_unknown_method_and_parts_that_do_not_fit_are_told_with_their_place(toy: Path, run: Run) -> None:
    edit(toy / "recipe.yaml", "  max_length: 256", "  max_length: 256\n  method: lorra\n  lora: {dora: true}")
    ran = run("check", "--recipe-only", cwd=toy)
    assert ran.code == 2
    assert "train.method: This must be 'lora', 'qlora', 'full'" in ran.err
    edit(toy / "recipe.yaml", "  method: lorra\n  lora: {dora: true}", "  lora: {dora: true, initialisation: pissa}")
    shown = run("check", "--recipe-only", cwd=toy).err
    assert "train.lora: dora cannot be combined with initialisation: pissa, which changes the base." in shown


def test_a_run_that_was_not_as_asked_says_so_in_the_list(toy: Path, run: Run) -> None:
    made = new_run(toy, Project(toy).recipe(), "0" * 64, profile=None)
    write_facts(made.folder, [Fact("seed", "0", "0", "held"), Fact("adapter scale", "2", "1", "failed")])
    shown = "adapter scale differs: asked 2, applied 1"
    assert f"{made.id}: not as asked: {shown}" in run("runs", cwd=toy).out
    assert run("runs", "--json", cwd=toy).json["runs"][0]["not_as_asked"] == shown
