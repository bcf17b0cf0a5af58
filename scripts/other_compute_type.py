"""Print the type that training on this machine does not use by default; `make test-other-type` runs the tests in it."""

from __future__ import annotations

from kit.system.machine import compute_type, has_nvidia

if __name__ == "__main__":
    own = compute_type("auto", "bfloat16", "cuda" if has_nvidia() else "cpu")
    print("float32" if own == "bfloat16" else "bfloat16")
