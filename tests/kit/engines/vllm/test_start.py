"""If vLLM does not start, the error says what to do."""

from __future__ import annotations

import asyncio
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from kit.engines.base import EngineConfig
from kit.engines.vllm.engine import VllmEngine
from kit.engines.vllm.environment import advice_on
from kit.errors import InputError
from tests.kit.bases import copy_nano, edit_json

ROOT = Path(__file__).parents[4]
UNGUARDED = """\
import multiprocessing
import os
import sys

sys.path.insert(0, os.getcwd())
from kit.engines.vllm.environment import replace_main

print("the script runs", flush=True)
with replace_main():
    child = multiprocessing.get_context("spawn").Process(target=os.getpid)
    child.start()
child.join()
print("exit code", child.exitcode)
"""


def test_a_package_for_another_torch_is_named_with_the_command_that_removes_it() -> None:
    advice = advice_on(RuntimeError("operator torchvision::nms does not exist"))
    removed = " ".join(runpy.run_path(str(ROOT / "scripts" / "setup_environment.py"))["UNWANTED"])
    assert f"pip uninstall {removed}" in advice
    assert f"pip uninstall {removed}" in (ROOT / "docs" / "guides" / "gpu.md").read_text()


def test_an_unknown_failure_points_to_vllms_own_log() -> None:
    assert "VLLM_LOGGING_LEVEL=INFO" in advice_on(RuntimeError("Engine core initialization failed."))


def test_a_script_without_a_guard_does_not_run_again_in_a_process_that_it_starts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert ran.stdout == "the script runs\nexit code 0\n"


def test_damaged_weights_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    folder = copy_nano(tmp_path / "nano")
    edit_json(folder / "config.json", tie_word_embeddings=False)
    with pytest.raises(InputError, match=r"no file holds lm_head\.weight"):
        asyncio.run(VllmEngine(EngineConfig(folder)).start())
