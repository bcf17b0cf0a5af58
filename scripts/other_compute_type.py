"""Prints the type that training does not compute in here: what the tests are to be run in once more."""

from __future__ import annotations

from kit.system.machine import compute_type, has_nvidia

if __name__ == "__main__":
    own = compute_type("auto", "bfloat16", "cuda" if has_nvidia() else "cpu")
    print("float32" if own == "bfloat16" else "bfloat16")
