"""No folder of the source has more modules than a reader can keep in mind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOSE_IN_KIT = 8
IN_A_FOLDER = 15
NO_LIMIT = {"kit/cli", "kit/workflows", "kit/workflows/steps", "bench"}  # one module for each command, deed and bench


def rooms(root: Path) -> Iterator[tuple[str, int]]:
    """Yield every folder with modules, and how many it has; `__init__` and `__main__` are not counted."""
    for top in ("kit", "serving", "pretrain", "bench"):
        for folder in sorted({file.parent for file in (root / top).rglob("*.py")}):
            modules = [file for file in folder.glob("*.py") if file.stem not in ("__init__", "__main__")]
            yield folder.relative_to(root).as_posix(), len(modules)


def too_full(root: Path) -> list[str]:
    limits = {"kit": LOOSE_IN_KIT}
    return [room for room, count in rooms(root) if room not in NO_LIMIT and count > limits.get(room, IN_A_FOLDER)]


def test_no_folder_holds_too_many_modules() -> None:
    assert {"kit", "kit/train/plan", "serving/routes", "pretrain", "bench"} <= {room for room, _ in rooms(ROOT)}
    assert too_full(ROOT) == []


@pytest.mark.parametrize(("room", "limit"), [("kit", LOOSE_IN_KIT), ("kit/data", IN_A_FOLDER)])
def test_one_module_too_many_would_be_found(tmp_path: Path, room: str, limit: int) -> None:
    (tmp_path / room).mkdir(parents=True)
    for number in range(limit):
        (tmp_path / room / f"module_{number}.py").touch()
    assert too_full(tmp_path) == []
    (tmp_path / room / "one_more.py").touch()
    assert too_full(tmp_path) == [room]
