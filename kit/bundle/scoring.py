"""Scores models on disk: log-probabilities per token, the fingerprints, and the noise between ways to compute them.

As a program, it reads a request (JSON, from a file) and writes log-probabilities: a new process has only the files of a
model that was just saved.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from kit.bundle.seal import Fingerprint, Noise
from kit.errors import KitError

Rows = Sequence[Sequence[int]]
LogProbs = list[list[float]]
_DECIMALS = 4
MODEL_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Weights:
    """A model on disk, the dtype to hold it in ("bfloat16" or "float32"), and the adapter on it, if any.

    A whole trained model may take the place of the adapter; it then replaces the model.
    """

    folder: Path
    dtype: str
    adapter: Path | None = None


def is_whole(trained: Path) -> bool:
    """Whether a folder has a whole trained model instead of an adapter."""
    return (trained / MODEL_WEIGHTS).is_file()


@contextmanager
def loaded_model(weights: Weights) -> Iterator[Any]:
    """Load a model for scoring and free its memory at the end."""
    whole = weights.adapter is not None and is_whole(weights.adapter)
    with without_progress_bars():
        folder = weights.adapter if whole else weights.folder
        model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=getattr(torch, weights.dtype))
    if weights.adapter is not None and not whole:
        from kit.adapters.attaching import attach_saved

        model = attach_saved(model, weights.adapter)
    try:
        yield model.to(_device()).eval()
    finally:
        del model
        gc.collect()


def score(weights: Weights, rows: Rows) -> LogProbs:
    """Return len(row) - 1 natural-log probabilities per row: of each token given those before, the first left out."""
    with loaded_model(weights) as model:
        return score_rows(model, rows)


def score_rows(model: Any, rows: Rows) -> LogProbs:
    """Score rows one by one on a model that is loaded."""
    return [score_batch(model, [row])[0] for row in rows]


@torch.inference_mode()
def score_batch(model: Any, rows: Rows) -> LogProbs:
    """Score rows together, padded on the right; the softmax is taken in float32."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=_device())
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=_device())
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    found = logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    return [found[index, : len(row) - 1].tolist() for index, row in enumerate(rows)]


def score_in_fresh_process(weights: Weights, rows: Rows) -> LogProbs:
    """Score rows in a new process, which has only the files.

    Raises KitError with the process's last message if it fails.
    """
    with tempfile.TemporaryDirectory() as scratch:
        request, answer = Path(scratch, "request.json"), Path(scratch, "answer.json")
        request.write_text(json.dumps([str(weights.folder), weights.dtype, [list(row) for row in rows]]))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-m", "kit.bundle.scoring", str(request), str(answer)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise KitError(f"The saved model cannot be loaded again: {last}", str(weights.folder))
        return list(json.loads(answer.read_text()))


def choose_fingerprints(
    rows: Rows, base: LogProbs, tuned: LogProbs, sequences: int = 8, positions: int = 8
) -> list[Fingerprint]:
    """Choose the rows, and in each the positions, where base and tuned model differ most."""
    found = [
        _fingerprint(row, ours, theirs, positions)
        for row, ours, theirs in zip(rows, base, tuned, strict=True)
        if len(row) > 1
    ]
    return sorted(found, key=lambda item: -_shift(item))[:sequences]


def measure_noise(weights: Weights, fingerprints: Sequence[Fingerprint]) -> Noise:
    """Compute the fingerprints in other valid ways and return the gaps to the sealed values.

    The ways: all rows in one padded batch, one thread, and arithmetic in float32 if bfloat16 is stored. Of each, the
    mean and the largest absolute gap over the sealed positions; the worst way counts.
    """
    rows = [item.ids for item in fingerprints]
    with loaded_model(weights) as model:
        ways = [score_batch(model, rows)]
        with _threads(1):
            ways.append(score_rows(model, rows))
    ways.append(score(Weights(weights.folder, "float32", weights.adapter), rows))
    gaps = [_gaps(fingerprints, way) for way in ways]
    return Noise(mean=max(sum(gap) / len(gap) for gap in gaps), largest=max(map(max, gaps)))


def gap_between(left: LogProbs, right: LogProbs) -> Noise:
    """Mean and largest absolute gap over all tokens of equally long rows."""
    gaps = [abs(a - b) for ours, theirs in zip(left, right, strict=True) for a, b in zip(ours, theirs, strict=True)]
    return Noise(mean=sum(gaps) / len(gaps), largest=max(gaps))


def _fingerprint(row: Sequence[int], base: list[float], tuned: list[float], positions: int) -> Fingerprint:
    by_gap = sorted(range(len(base)), key=lambda index: -abs(base[index] - tuned[index]))
    chosen = sorted(by_gap[:positions])
    return Fingerprint(
        ids=list(row),
        positions=[index + 1 for index in chosen],
        base=[round(base[index], _DECIMALS) for index in chosen],
        tuned=[round(tuned[index], _DECIMALS) for index in chosen],
    )


def _shift(item: Fingerprint) -> float:
    return sum(abs(base - tuned) for base, tuned in zip(item.base, item.tuned, strict=True)) / len(item.positions)


def _gaps(fingerprints: Sequence[Fingerprint], way: LogProbs) -> list[float]:
    return [
        abs(sealed - scores[position - 1])
        for item, scores in zip(fingerprints, way, strict=True)
        for position, sealed in zip(item.positions, item.tuned, strict=True)
    ]


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Turn off transformers' progress bars: only the running command writes to the terminal."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _main(request: Path, answer: Path) -> None:
    folder, dtype, rows = json.loads(request.read_text())
    answer.write_text(json.dumps(score(Weights(Path(folder), dtype), rows)))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
