"""How well the base model that ships foretells held-out texts: bits per byte beside its forerunner's and `xz -9`.

Reads the public sets from DOMAINKIT_DATA.
"""

from __future__ import annotations

import lzma
import os
from functools import cache
from pathlib import Path

from bench.shared.harness import Figures
from bench.shared.tuning import THREADS, Figure
from kit.base import NANO, Base, find_base
from kit.chat import Renderer
from kit.errors import Unmeasured
from pretrain.measure import bits_per_byte, measured_texts
from pretrain.texts.corpus import held_out_documents

PAGE = NANO / "README.md"
"""The model card has this bench's figures."""


def measure() -> Figures:
    """Return bits per byte of each domain, of three compressors."""
    data = public_sets()
    nano, seed = find_base("nano"), find_base(str(seed_folder(data)))
    figures: dict[str, Figure] = {}
    for name, found in (("", text_figures(nano, data)), ("seed.", text_figures(seed, data)), ("xz.", xz_figures(data))):
        figures |= {f"{name}bits_per_byte.{domain}": {"bits_per_byte": value} for domain, value in found.items()}
    return figures


def text_figures(base: Base, data: Path) -> dict[str, float]:
    """Return bits per byte of a base on each domain's held-out texts."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    model = AutoModelForCausalLM.from_pretrained(base.folder, dtype=torch.float32, local_files_only=True)
    found = bits_per_byte(model, Renderer(base.folder), _texts(data))
    return {domain: round(value, 4) for domain, value in found.items()}


def xz_figures(data: Path) -> dict[str, float]:
    """Return what `xz -9` makes of the same texts, all of a domain together, in bits per byte."""
    found = {}
    for domain, texts in _texts(data).items():
        whole = "\n".join(texts).encode("utf-8", "surrogatepass")
        found[domain] = round(8 * len(lzma.compress(whole, preset=9)) / len(whole), 4)
    return found


@cache
def _texts(data: Path) -> dict[str, list[str]]:
    return measured_texts(held_out_documents(data))


def public_sets() -> Path:
    """Return the folder of public sets. Raises Unmeasured without one."""
    data = Path(os.environ.get("DOMAINKIT_DATA", ""))
    if not (data / "legal" / "cuad").is_dir():
        raise Unmeasured("The public sets are not here.", str(data), "Set DOMAINKIT_DATA to their folder.")
    return data.resolve()


def seed_folder(data: Path) -> Path:
    """Return where the forerunner is: DOMAINKIT_SEED, or `nano-seed` beside the public sets."""
    folder = Path(os.environ.get("DOMAINKIT_SEED", data.parent / "nano-seed"))
    if not folder.is_dir():
        raise Unmeasured("The forerunner is not here.", str(folder), "Set DOMAINKIT_SEED to its folder.")
    return folder
