"""The index of the decisions."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "decisions"
_TOP = """# Decisions

Each page here records one decision that was not obvious: what was chosen, what was measured, and what was given up.
Read them when you want to know why something is as it is, or before you change it.
"""


def paths() -> list[Path]:
    """Return the pages in order."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name != "index.md")


def page() -> str:
    """Return the page."""
    return "\n".join([_TOP, *(f"- [{title(path)}]({path.name})" for path in paths())])


def title(path: Path) -> str:
    """Return a page's own heading."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.removeprefix("# ").strip() for line in lines if line.startswith("# "))
