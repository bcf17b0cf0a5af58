"""What a bench needs on this machine: data sets, vLLM, TRL. Each function raises Unmeasured if it is missing."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from kit.engines import available
from kit.errors import Unmeasured


def public_sets() -> Path:
    """Return the folder of public data sets, DOMAINKIT_DATA."""
    data = Path(os.environ.get("DOMAINKIT_DATA", ""))
    if not (data / "legal" / "cuad" / "contracts.jsonl").is_file():
        raise Unmeasured(
            "The public data sets are missing.", str(data), "Set DOMAINKIT_DATA to a folder that has legal/cuad."
        )
    return data.resolve()


def predecessor() -> Path:
    """Return the folder of nano's predecessor: DOMAINKIT_SEED, or `nano-seed` next to the public data sets."""
    folder = Path(os.environ.get("DOMAINKIT_SEED", public_sets().parent / "nano-seed"))
    if not folder.is_dir():
        raise Unmeasured("The predecessor of nano is missing.", str(folder), "Set DOMAINKIT_SEED to its folder.")
    return folder


def require_vllm() -> None:
    """Raise Unmeasured if vLLM is not installed."""
    if "vllm" not in available():
        raise Unmeasured("vLLM is not installed.", next="Run `make setup` on a machine that vLLM supports.")


def require_trl() -> None:
    """Raise Unmeasured if TRL is not installed."""
    if find_spec("trl") is None:
        raise Unmeasured("TRL is not installed.", next="Run: make bench-train, or: pip install 'domainkit[bench]'")
