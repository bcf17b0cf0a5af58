"""How well nano predicts held-out texts, in bits per byte: against its predecessor and `xz -9`.

Reads the public data sets from DOMAINKIT_DATA.
"""

from __future__ import annotations

import lzma
from functools import cache
from pathlib import Path

from bench.shared.harness import Figure, Figures
from bench.shared.requirements import predecessor, public_sets
from bench.shared.tuning import THREADS
from kit.base import NANO, Base, find_base
from kit.chat import Renderer
from pretrain.measure import bits_per_byte, measured_texts
from pretrain.texts.corpus import held_out_documents

PAGE = NANO / "README.md"
"""The model card has the figures of this bench."""


def measure() -> Figures:
    """Return bits per byte of each domain for nano, its predecessor (`seed.`) and `xz`."""
    data = public_sets()
    nano, seed = find_base("nano"), find_base(str(predecessor()))
    figures: dict[str, Figure] = {}
    for name, found in (("", text_figures(nano, data)), ("seed.", text_figures(seed, data)), ("xz.", xz_figures(data))):
        figures |= {f"{name}bits_per_byte.{domain}": {"bits_per_byte": value} for domain, value in found.items()}
    return figures


def text_figures(base: Base, data: Path) -> dict[str, float]:
    """Return a base's bits per byte on the held-out texts of each domain."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    found = bits_per_byte(model, Renderer(base.folder), _texts(data))
    return {domain: round(value, 4) for domain, value in found.items()}


def xz_figures(data: Path) -> dict[str, float]:
    """Return the bits per byte of `xz -9` on the same texts, with all texts of a domain in one file."""
    found = {}
    for domain, texts in _texts(data).items():
        whole = "\n".join(texts).encode("utf-8", "surrogatepass")
        found[domain] = round(8 * len(lzma.compress(whole, preset=9)) / len(whole), 4)
    return found


@cache
def _texts(data: Path) -> dict[str, list[str]]:
    return measured_texts(held_out_documents(data))
