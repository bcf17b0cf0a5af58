"""The machine and the versions behind a figure, without a heavy import."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kit.errors import InputError
from kit.system.machine import COMPUTE_VARIABLE, compute_type, describe, machine_facts, version_facts


def test_facts_name_the_machine_and_the_packages() -> None:
    machine, versions = machine_facts(), version_facts()
    assert machine["cores"] >= 1
    assert versions["tokenizers"]
    line = describe(machine, versions)
    assert f"{machine['cores']} cores" in line
    assert f"domainkit {versions['domainkit']}" in line


def test_facts_load_nothing_heavy() -> None:
    code = "import sys, kit.system.machine as m; m.machine_facts(); m.version_facts(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("fast", [True, False])
def test_a_processor_without_matrix_units_for_bfloat16_computes_in_float32(
    fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(COMPUTE_VARIABLE, raising=False)
    monkeypatch.setattr("kit.system.machine.multiplies_bfloat16_fast", lambda: fast)
    assert compute_type("auto", "bfloat16", "cpu") == ("bfloat16" if fast else "float32")
    assert compute_type("auto", "bfloat16", "cuda") == "bfloat16"
    assert compute_type("bfloat16", "float32", "cpu") == "bfloat16"


def test_a_variable_makes_auto_decide_as_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPUTE_VARIABLE, "bfloat16")
    assert compute_type("auto", "bfloat16", "cpu") == "bfloat16"
    assert compute_type("auto", "float32", "cpu") == "float32"
    monkeypatch.setenv(COMPUTE_VARIABLE, "float32")
    assert compute_type("auto", "bfloat16", "cuda") == "float32"
    assert compute_type("bfloat16", "bfloat16", "cpu") == "bfloat16"


def test_an_unknown_type_in_the_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPUTE_VARIABLE, "bf16")
    with pytest.raises(InputError, match="DOMAINKIT_COMPUTE: 'bf16' is not a type to compute in"):
        compute_type("auto", "bfloat16", "cpu")
