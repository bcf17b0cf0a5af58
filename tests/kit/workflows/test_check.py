"""`check` from Python: the facts of `kit check --json`, and nothing printed."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from kit.errors import Exit, InputError
from kit.workflows import CheckReport, check
from tests.kit.cli.conftest import run_kit
from tests.kit.toy import make_toy


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy(tmp_path / "toy")


def test_the_report_holds_what_the_command_prints(toy: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = check(toy / "data", peak_tflops=2.0, price_per_hour=36.0)
    assert tuple(capfd.readouterr()) == ("", "")
    ran = run_kit("check", "--peak-tflops", "2", "--price-per-hour", "36", "--json", cwd=toy)
    printed = ran.json
    assert ran.code == found.exit_code == Exit.OK
    assert printed["checks"] == json.loads(json.dumps([asdict(each) for each in found.checks]))
    assert printed["facts"] == json.loads(json.dumps(found.facts))
    assert [printed[name] for name in ("recipe", "digest", "base")] == [found.recipe, found.digest, found.base]
    assert found.tasks == ("toy",)
    assert found.facts is not None
    assert found.facts["estimate"]["cost"] > 0
    assert any(line.startswith("cost: at least") for line in found.estimate)


def test_several_threads_can_check_at_once(toy: Path) -> None:
    task = toy / "task.py"  # slow to load, so that the threads meet there
    task.write_text(f"import time\n\ntime.sleep(0.2)\n{task.read_text()}")
    here = Path.cwd()
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(check, [toy] * 3))
    assert [each.exit_code for each in found] == [Exit.OK] * 3
    assert Path.cwd() == here


def test_a_base_that_is_not_here_leaves_checks_unmeasured_and_names_a_profile(toy: Path) -> None:
    recipe = toy / "recipe.yaml"
    text = recipe.read_text().replace("{model: nano}", "{model: nobody/nothing}")
    recipe.write_text(text.replace("train: {max_length: 64}", "base: {model: nano}"))
    found = check(toy)
    assert found.exit_code == Exit.UNMEASURED
    assert found.profile_here == "short"
    assert check(toy, profile="short").profile_here is None


def test_only_the_recipe_is_read_where_only_that_is_asked(toy: Path) -> None:
    (toy / "data" / "train.jsonl").write_text("no JSON\n")
    found = check(toy, recipe_only=True)
    assert found == CheckReport("toy", found.digest, ("toy",), "nano")
    with pytest.raises(InputError, match="This is not JSON"):
        check(toy)
