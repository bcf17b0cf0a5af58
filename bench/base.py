"""The base model that ships: bits per byte beside its forerunner and `xz -9`, and what CPU-minutes of LoRA bring.

Reads the public sets from DOMAINKIT_DATA. `python -m bench.base PART… --base FOLDER` prints single parts, of any base.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path

from bench.harness import Figures
from bench.tasks import characters, clauses, infilling, labelling
from bench.tuning import THREADS, Figure, Trial, tried
from kit.base import NANO, Base, find_base
from kit.base.pretrain.corpus import held_out_documents
from kit.base.pretrain.measure import bits_per_byte, measured_texts
from kit.chat import Renderer
from kit.errors import Unmeasured
from kit.train.machine import physical_cores

PAGE = NANO / "README.md"
"""The model card has this bench's figures."""
TRIALS: Mapping[str, Callable[[Path], Trial]] = {
    "cuad": clauses.cuad,
    "legal": lambda _: clauses.legal(),
    "banking77": labelling.banking77,
    "pubmedqa": labelling.pubmedqa,
    "infilling": infilling.infilling,
}
"""The longest comes first: parts run side by side."""
GAINS = (*TRIALS, "npc")


def measure() -> Figures:
    """Return bits per byte of each domain, of three compressors, and every part's gain."""
    data = _data()
    nano, seed = find_base("nano"), find_base(str(seed_folder(data)))
    figures: dict[str, Figure] = {}
    for name, found in (("", text_figures(nano, data)), ("seed.", text_figures(seed, data)), ("xz.", xz_figures(data))):
        figures |= {f"{name}bits_per_byte.{domain}": {"bits_per_byte": value} for domain, value in found.items()}
    return {**figures, **{f"tuned.{name}": figure for name, figure in gains(data, nano).items()}}


def gains(data: Path, base: Base) -> dict[str, Figure]:
    """Return what every part gains: as many parts side by side as there are cores, each with a core of its own."""
    with ProcessPoolExecutor(physical_cores(), get_context("spawn")) as pool:
        made = {name: pool.submit(gain, name, data, base) for name in GAINS}
        return {name: each.result() for name, each in made.items()}


def gain(name: str, data: Path, base: Base) -> Figure:
    """Return what CPU-minutes of LoRA bring to a base on one task."""
    return characters.characters(data, base) if name == "npc" else tried(TRIALS[name](data), base)


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


def _data() -> Path:
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


def _print_parts() -> None:
    parser = argparse.ArgumentParser(description="Print single parts of the bench.")
    parser.add_argument("parts", nargs="+", choices=["texts", "xz", *GAINS])
    parser.add_argument("--base", default="nano")
    chosen = parser.parse_args()
    data, base = _data(), find_base(chosen.base)
    for name in chosen.parts:
        found: Mapping[str, object]
        if name == "xz":
            found = xz_figures(data)
        else:
            found = text_figures(base, data) if name == "texts" else gain(name, data, base)
        print(json.dumps({"part": name, "model": chosen.base, **found}), flush=True)


if __name__ == "__main__":
    _print_parts()
