"""`python -m bench NAME`, or `all`. Exit codes: 0 measured, 1 broke, 2 no such bench, 3 could not be measured."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys

from bench.shared.harness import PAGE, names, publish
from kit.errors import Exit, InputError, KitError, nearest


def main(arguments: list[str]) -> int:
    """Run one bench, or each in a process of its own."""
    try:
        if len(arguments) != 1:
            raise InputError("Name one bench.", next=f"Known: all, {', '.join(names())}.")
        return _all() if arguments[0] == "all" else _one(arguments[0])
    except KitError as error:
        print(error, file=sys.stderr)
        return int(error.code)


def _one(name: str) -> int:
    if name not in names():
        raise InputError(f"There is no bench '{name}'.", next=nearest(name, names()) or f"Known: {', '.join(names())}.")
    module = importlib.import_module(f"bench.{name}")
    figures = module.measure()
    gc.collect()  # what an engine says when it is collected comes before the JSON line, which ends every bench
    publish(name, figures, getattr(module, "PAGE", PAGE))
    return int(Exit.OK)


def _all() -> int:
    """Run every bench; one that breaks outweighs one that cannot be measured, and neither stops the others."""
    codes = [subprocess.run([sys.executable, "-m", "bench", name], check=False).returncode for name in names()]
    return next((code for code in codes if code not in (Exit.OK, Exit.UNMEASURED)), max(codes, default=Exit.OK))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
