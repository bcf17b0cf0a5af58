"""Peak memory of training in addition to the loaded model, divided by that of TRL's SFTTrainer, with a wide base."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from bench.shared.harness import Figure, Figures, four_digits
from bench.shared.requirements import require_trl
from bench.shared.trainers import TRAINERS, Run, new_folder, perform
from kit.base import NANO

_WIDE = {"hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16, "num_key_value_heads": 8}
_FOUR_AT_ONCE = {"batch_rows": 4, "group_rows": 4}


def measure() -> Figures:
    """Return our peak, divided by the peer's lower one; without gradient checkpointing, with equal micro-batches."""
    require_trl()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = str(_wide_base(new_folder(folder)))
        return {
            "peak_memory": _peak("shared_context", base, folder, rows=4, settings=_FOUR_AT_ONCE),
            "peak_memory.nothing_shared": _peak("nothing_shared", base, folder, rows=16),
        }


def _peak(workload: str, base: str, folder: Path, **others: Any) -> Figure:
    peaks = {
        trainer: perform(Run(trainer, workload, base, **others), new_folder(folder)).peak >> 20 for trainer in TRAINERS
    }
    theirs = min(peaks["padded"], peaks["packed"])
    return {
        "ratio": four_digits(peaks["ours"] / theirs),
        **{str(who): peak for who, peak in peaks.items()},
        "unit": "MiB",
    }


def _wide_base(folder: Path) -> Path:
    """Write a random base of nano's architecture, so wide that layers dominate the stored activations, not logits."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(NANO)
    config.update(_WIDE)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    for file in NANO.iterdir():
        if not (folder / file.name).exists() and file.suffix in {".json", ".jinja"}:
            shutil.copy(file, folder)
    return folder
