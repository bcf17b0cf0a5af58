"""Benches run the kit's commands in a temporary project and read their JSON."""

from __future__ import annotations

import pytest

from bench.shared.commands import kit, project
from kit.errors import KitError


def test_a_command_in_a_temporary_project_gives_its_json_or_raises_for_its_exit_code() -> None:
    with project("legal") as folder:
        assert kit(folder, "check", "--recipe-only")["tasks"] == ["clauses"]
        with pytest.raises(KitError, match="ended with exit code 2"):
            kit(folder, "check", "--profile", "absent")
    assert not folder.exists()
