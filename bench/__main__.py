"""`python -m bench NAME`, or `all`. Exit codes: 0 measured, 1 the run broke, 2 unknown bench, 3 not measurable."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys

from bench.shared.harness import PAGE, bench_names, publish
from kit.errors import Exit, InputError, KitError, nearest


def main(arguments: list[str]) -> int:
    """Run one bench, or all, each in its own process."""
    try:
        if len(arguments) != 1:
            raise InputError("Name one bench.", next=f"Known: all, {', '.join(bench_names())}.")
        return _all() if arguments[0] == "all" else _one(arguments[0])
    except KitError as error:
        print(error, file=sys.stderr)
        return int(error.code)


def _one(name: str) -> int:
    if name not in bench_names():
        raise InputError(
            f"There is no bench '{name}'.", next=nearest(name, bench_names()) or f"Known: {', '.join(bench_names())}."
        )
    module = importlib.import_module(f"bench.{name}")
    figures = module.measure()
    gc.collect()  # an engine may print when it is collected, and the JSON line must be the last line
    publish(name, figures, getattr(module, "PAGE", PAGE))
    return int(Exit.OK)


def _all() -> int:
    """Run every bench. Return the exit code of a broken one, else that of one that was not measurable, else 0."""
    codes = [subprocess.run([sys.executable, "-m", "bench", name], check=False).returncode for name in bench_names()]
    return next((code for code in codes if code not in (Exit.OK, Exit.UNMEASURED)), max(codes, default=Exit.OK))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
