"""Write the finished model as a folder that transformers, vLLM and the kit can load."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from kit.chat import TOKENIZER_FILES

SHARD = "15MB"
"""Largest file of weights, so that every file is below 16 MiB."""


def export(model: Any, tokenizer: Path, folder: Path) -> None:
    """Write weights in bfloat16, configuration and tokenizer; earlier weights in the folder are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.safetensors"), *folder.glob("*.index.json")]:
        old.unlink()
    copy.deepcopy(model).to(device="cpu", dtype=torch.bfloat16).save_pretrained(folder, max_shard_size=SHARD)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)
    config = model.config
    generation = {"eos_token_id": config.eos_token_id, "pad_token_id": config.pad_token_id, "use_cache": True}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n", encoding="utf-8")
