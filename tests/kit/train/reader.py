"""Load trained models from disk in a separate process, and write their logits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from kit.base import NANO
from kit.bundle.scoring import Weights, loaded_model


def main() -> None:
    """Take folders by name, token ids, and a file to write to."""
    folders, ids, answer = json.loads(sys.argv[1]), torch.tensor([json.loads(sys.argv[2])]), Path(sys.argv[3])
    torch.set_num_threads(1)
    found = {}
    for name, folder in folders.items():
        with loaded_model(Weights(NANO, "float32", Path(folder))) as model, torch.no_grad():
            found[name] = model(input_ids=ids).logits[0]
    torch.save(found, answer)


if __name__ == "__main__":
    main()
