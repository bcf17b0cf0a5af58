"""Bits per byte: how well a model predicts a text, independent of its tokenizer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from kit.chat import Renderer
from kit.data.split import position
from pretrain.texts.documents import Document
from pretrain.texts.pieces import END_OF_TEXT

WINDOW = 1024
BATCH = 8192
_NOTHING = -100
DOMAINS: Mapping[str, tuple[str, ...]] = {
    "legal": ("agreements",),
    "medical": ("abstracts",),
    "support": ("guidelines", "service_chats"),
    "code": ("small_programs",),
    "npc": ("transcripts",),
    "game": ("game_lines",),
}
"""The sets of each domain whose held-out documents neither this base nor the previous one was trained on."""
MOST = 60_000
"""Most characters per domain: documents in the order of their groups' hashes, the last one cut."""

Texts = Mapping[str, Sequence[str]]


def measured_texts(held_out: Iterable[Document], most: int = MOST) -> dict[str, list[str]]:
    """Return texts of each domain, with a similar number of characters from each set, at most `most` in all."""
    documents = sorted(held_out, key=lambda each: (position(each.group), each.text))
    chosen: dict[str, list[str]] = {}
    for domain, names in DOMAINS.items():
        for name in names:
            room = most // len(names)
            for document in (each for each in documents if each.source == name):
                if room > 0:
                    chosen.setdefault(domain, []).append(document.text[:room])
                    room -= len(document.text)
    return chosen


@torch.inference_mode()
def bits_per_byte(model: Any, renderer: Renderer, texts: Texts, window: int = WINDOW) -> dict[str, float]:
    """Return -log₂ p of the texts per UTF-8 byte for each domain; every window starts with an end of text."""
    model.eval()
    found = {}
    for domain, listed in texts.items():
        nats = sum(_nats(model, rows) for rows in _batches(_windows(renderer, listed, window)))
        size = sum(len(text.encode("utf-8", "surrogatepass")) for text in listed)
        found[domain] = nats / math.log(2) / size
    model.train()
    return found


def _windows(renderer: Renderer, texts: Sequence[str], window: int) -> list[list[int]]:
    end = next(special.id for special in renderer.specials if special.text == END_OF_TEXT)
    rows = []
    for text in texts:
        ids = renderer.answer(text)
        rows += [[end, *ids[start : start + window - 1]] for start in range(0, len(ids), window - 1)]
    return rows


def _batches(rows: Sequence[list[int]]) -> Iterator[list[list[int]]]:
    """Yield batches of rows of similar length, up to a few thousand tokens each."""
    batch: list[list[int]] = []
    for row in sorted(rows, key=len, reverse=True):
        if batch and (len(batch) + 1) * len(batch[0]) > BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _nats(model: Any, rows: Sequence[list[int]]) -> float:
    """Return the sum of -log p over all tokens except the first of each row; padding on the right has no effect."""
    longest = len(rows[0])
    ids = torch.tensor([[*row, *[_NOTHING] * (longest - len(row))] for row in rows], device=model.device)
    logits = model(input_ids=ids.clamp(min=0)[:, :-1], use_cache=False).logits.float()
    return float(
        functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), ignore_index=_NOTHING, reduction="sum")
    )


def write_texts(file: Path, texts: Texts) -> None:
    """Write the texts on which a run is measured."""
    file.write_text(json.dumps(texts, ensure_ascii=False) + "\n", encoding="utf-8", errors="surrogatepass")


def read_texts(file: Path) -> dict[str, list[str]]:
    """Return the texts on which a run is measured."""
    return dict(json.loads(file.read_text(encoding="utf-8", errors="surrogatepass")))
