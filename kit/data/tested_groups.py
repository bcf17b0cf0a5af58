"""Finds the test groups of an earlier import, so that a later one never moves them into training."""

from __future__ import annotations

import json
from pathlib import Path

from kit.errors import InputError


def tested_groups(path: Path) -> frozenset[str]:
    """Return the groups in the test file of an earlier import; empty if there is no such file.

    Raises InputError if a line cannot be read, because its group is then unknown.
    """
    if not path.is_file():
        return frozenset()
    groups: set[str] = set()
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            groups.add(str(json.loads(line)["group"]))
        except (ValueError, KeyError, TypeError):
            what = "This line has no group, so the groups that must stay in the test file are unknown."
            raise InputError(what, f"{path}:{number}", "Correct the line, or remove the file to split again.") from None
    return frozenset(groups)
