"""Public data sets into a project's own examples, through the importers that the project brings.

A project's `importers.py` names them in `importers: Mapping[str, Importer]`. An importer reads the user's own copy of a
set and returns examples; the kit validates, splits and writes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from kit.task import Example


class Importer(Protocol):
    """Reads a copy of a data set (a file or a folder) as examples.

    `settings` are the user's `--set key=value` pairs, as they were typed. The docstring's first line describes the set.
    Raises InputError with every problem at once: unreadable files by file and line, unknown settings by name.
    """

    def __call__(self, path: Path, settings: Mapping[str, str]) -> Sequence[Example[Any, Any]]:
        """Return the examples, in a fixed order; each group is what must never part in a split."""
