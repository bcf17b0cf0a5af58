"""Predict what a game master says next: perplexity on game transcripts (CRD3, share-alike) that nano never read."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from bench.shared.harness import Figure
from bench.shared.tuning import THREADS, training_cost
from kit.base import Base
from kit.chat import Renderer
from kit.data.rows import Row
from kit.data.split import position
from kit.errors import Unmeasured
from kit.recipe import TrainSection
from kit.task import FreeText, Message, Prompt
from kit.train.job import TrainJob
from kit.train.loop import train

_MASTER = "MATT"
_BEFORE = 6
_LONGEST = 600
_INSTRUCTION = "You are the game master. Say what comes next."


def characters(data: Path, base: Base, minutes: float = 5.0, trained: int = 8000, tested: int = 300) -> Figure:
    """Return perplexity per token of the game master's turns: before training, after it, and of a bigram model.

    Compare perplexities only for one tokenizer; bits per byte are comparable for all.
    """
    renderer = Renderer(base.folder)
    folder = data / "npc" / "crd3"
    rows, _ = _rows(folder / "train_24ep.jsonl", renderer, trained)
    validation, said = _rows(folder / "val.jsonl", renderer, tested)
    section = TrainSection(learning_rate=1e-3, epochs=4, batch_rows=16, evaluations=1, warmup=0.05, max_minutes=minutes)
    with tempfile.TemporaryDirectory() as scratch:
        job = TrainJob(base, "float32", section, rows, validation, renderer.pad_id, Path(scratch), threads=THREADS)
        made = train(job, None, lambda _: None)
    before, after = made.history[0].validation_loss, made.history[-1].validation_loss
    if before is None or after is None:
        raise Unmeasured("The validation rows have no answers to measure.")
    answer_tokens = sum(len(row.ids) - row.answer_start for row in validation)
    size = sum(len(text.encode()) for text in said)
    return {
        "metric": "perplexity",
        "examples": len(validation),
        "base": round(math.exp(before), 2),
        "tuned": round(math.exp(after), 2),
        "baseline": round(math.exp(bigram_nats(rows, validation, renderer.vocabulary_size)), 2),
        "baseline_is": "bigrams of the answers' tokens, interpolated",
        "base_bits_per_byte": round(before * answer_tokens / math.log(2) / size, 4),
        "bits_per_byte": round(after * answer_tokens / math.log(2) / size, 4),
        **training_cost(made),
    }


def _rows(file: Path, renderer: Renderer, most: int) -> tuple[list[Row], list[str]]:
    """Return rows that ask for the game master's next turn, and the texts of those turns, in hash order."""
    made = list(_turns(file))
    chosen = sorted(made, key=lambda each: position(each[0]))[:most]
    rows = []
    for name, before, said in chosen:
        messages = (Message.of("system", _INSTRUCTION), Message.of("user", before))
        supervised = renderer.supervised(Prompt(FreeText(), 512, messages), said)
        rows.append(Row(name, name.partition("/")[0], supervised.ids, supervised.answer_start))
    return rows, [said for _, _, said in chosen]


def _turns(file: Path) -> Iterator[tuple[str, str, str]]:
    with file.open(encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            lines: list[str] = []
            for number, turn in enumerate(row["turns"]):
                text = turn["text"]
                if turn["names"] == [_MASTER] and len(lines) >= _BEFORE and 20 <= len(text) <= _LONGEST:
                    yield f"{row['episode']}/{number}", "\n".join(lines[-_BEFORE:])[-1200:], text
                lines.append(f"{'/'.join(turn['names'])}: {text}")


def bigram_nats(rows: Sequence[Row], validation: Sequence[Row], vocabulary: int) -> float:
    """Return mean nats per answer token of bigrams interpolated with single tokens (Jelinek and Mercer 1980)."""
    singles: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for row in rows:
        ids = row.ids[row.answer_start - 1 :]
        singles.update(ids[1:])
        pairs.update(pairwise(ids))
    firsts = _firsts(pairs)
    total = singles.total()
    nats = 0.0
    count = 0
    for row in validation:
        for left, right in pairwise(row.ids[row.answer_start - 1 :]):
            single = (singles[right] + 1) / (total + vocabulary)
            pair = pairs[left, right] / firsts[left] if left in firsts else single
            nats -= math.log(0.5 * pair + 0.5 * single)
            count += 1
    return nats / count


def _firsts(pairs: Mapping[tuple[int, int], int]) -> Counter[int]:
    firsts: Counter[int] = Counter()
    for (left, _), number in pairs.items():
        firsts[left] += number
    return firsts
