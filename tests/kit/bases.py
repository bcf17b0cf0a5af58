"""Copies of nano for tests: sound ones, and ones with damage of a known kind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from kit.base import NANO
from kit.base.weight_files import INDEX, SINGLE

State = dict[str, torch.Tensor]


def copy_nano(folder: Path) -> Path:
    return Path(shutil.copytree(NANO, folder))


def edit_json(file: Path, **changes: Any) -> None:
    """Set keys of a JSON object; None removes one."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def edit_weights(folder: Path, change: Callable[[State], State]) -> None:
    """Write all tensors again, changed, into one file."""
    state: State = {}
    for file in sorted(folder.glob("*.safetensors")):
        state |= load_file(file)
        file.unlink()
    (folder / INDEX).unlink(missing_ok=True)
    changed = {name: tensor.contiguous() for name, tensor in change(state).items()}
    save_file(changed, folder / SINGLE, metadata={"format": "pt"})


def untie(folder: Path) -> None:
    """Give the base an output head of its own, which is equal to the embeddings."""
    edit_json(folder / "config.json", tie_word_embeddings=False)
    edit_weights(folder, lambda state: {**state, "lm_head.weight": state["model.embed_tokens.weight"].clone()})


def overflow_on(folder: Path, token: int) -> None:
    """Change a base so that every row with one token overflows, and no other row; all its values stay finite."""

    def change(state: State) -> State:
        embeddings, layer = state["model.embed_tokens.weight"], "model.layers.0"
        embeddings[:, 0] = 0
        embeddings[token, 0] = 100
        state[f"{layer}.input_layernorm.weight"][0] = 1
        state[f"{layer}.self_attn.v_proj.weight"][:, 0] = 3e38
        return state

    untie(folder)
    edit_weights(folder, change)
