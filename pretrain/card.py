"""The model card: description, training data and training; the bench adds its figures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pretrain.history import History, smoothed
from pretrain.settings import Settings, Shape

_WIDTH = 120
_CARD = """\
# nano: the base model that ships with the kit

{parameters:.1f} million parameters, Qwen3-shaped ({shape}), bfloat16, context {positions}. A byte-level BPE tokenizer
of {vocabulary} encodes any bytes and splits numbers into digits. With it, you can try the whole kit in minutes on any
machine. It is not an assistant: its answers about law, medicine or anything else are fluent and unreliable.

## Figures

Bits per byte on held-out texts of each domain; `seed` is the previous checkpoint, `xz` is `xz -9`.

<!-- figures:bits -->
Not measured: the bench has not finished with these weights.
<!-- /figures -->

Five CPU-minutes of LoRA (ten for `tuned.cuad`), compared with the base, with a few examples in its prompt, and with
the classical baseline. A CPU-minute is a minute on one thread.

<!-- figures:base -->
Not measured: the bench has not finished with these weights.
<!-- /figures -->

`make bench-base` writes both tables.

## Training data

It read {seen:,} tokens in all: {constant} while the learning rate was constant, then {fall} while it fell, of another
mixture of the same sets. No test document of an importer or a template was among them: documents are split by the
content hash of their group, and passages of thirteen words that occur in an evaluated text were cut.

{sets}

Of the tokens, {constant_kinds}; in the fall, {fall_kinds}. Exercises are generated from the texts{editions}: quotes,
missing lines, words and sentences, labels of the sets, questions and answers.

## Training

{recipe} The last training loss was {loss:.2f} nats per token (smoothed), after {steps:,} steps and {minutes:,.1f}
minutes on {device}.

![training loss and bits per byte on held-out texts](curve.png)

## Limits

English only; it mostly read contracts, medical encyclopedia articles, customers' queries, old novels and Python. It was
not tested for bias or harm.

## Reproduce it

    DOMAINKIT_DATA=folder-of-public-sets python -m pretrain {command}
"""


def write_card(
    folder: Path,
    shape: Shape,
    settings: Settings,
    facts: Mapping[str, Any],
    history: History,
    parameters: int,
    device: str,
    command: str,
) -> None:
    """Write README.md without figures, since those of another model would be wrong."""
    last = history.steps[-1]
    seen = last["tokens"]
    before = seen if last["fell_at"] is None else last["fell_at"]
    constant, fall = facts["constant"], facts["fall"]
    text = _CARD.format(
        parameters=parameters / 1e6,
        shape=f"hidden {shape.hidden}, {shape.layers} layers, {shape.heads} heads of {shape.head_size}, "
        f"{shape.key_value_heads} for keys and values, feed-forward {shape.feed_forward}, tied embeddings",
        positions=f"{shape.positions:,}",
        vocabulary=f"{facts['vocabulary']:,}",
        seen=seen,
        constant=_passes(before, constant),
        fall=_passes(seen - before, fall),
        sets=_table(facts["sets"], constant["tokens"], fall["tokens"]),
        constant_kinds=_kinds(constant),
        fall_kinds=_kinds(fall),
        editions=f", {facts['editions']} times" if facts["editions"] > 1 else "",
        recipe=_recipe(settings),
        loss=smoothed([step["loss"] for step in history.steps])[-1],
        steps=last["step"],
        minutes=last["seconds"] / 60,
        device=device,
        command=command,
    )
    (folder / "README.md").write_text("\n\n".join(map(_wrapped, text.split("\n\n"))), encoding="utf-8")


def _wrapped(block: str) -> str:
    """Wrap a paragraph to one line width; return other blocks unchanged."""
    return textwrap.fill(" ".join(block.split()), _WIDTH, break_on_hyphens=False) if block[:1].isalnum() else block


def _passes(seen: int, mixture: Mapping[str, Any]) -> str:
    return f"{seen:,} ({seen / mixture['total']:.2f} passes over {mixture['total']:,})"


def _kinds(mixture: Mapping[str, Any]) -> str:
    return ", ".join(f"{count / mixture['total']:.0%} are {kind} pieces" for kind, count in mixture["kinds"].items())


def _table(sets: Sequence[Mapping[str, Any]], tokens: Mapping[str, int], fall: Mapping[str, int]) -> str:
    keys = ("licence", "documents", "held_out", "repeated", "contaminated", "cut", "kept")
    lines = [f"| set | {' | '.join(keys)} | tokens | in the fall |".replace("_", " "), "|---" * (len(keys) + 3) + "|"]
    for row in sets:
        values = " | ".join(str(row[key]) for key in keys)
        lines.append(f"| {row['name']} | {values} | {tokens.get(row['name'], 0):,} | {fall.get(row['name'], 0):,} |")
    return "\n".join(lines)


def _recipe(settings: Settings) -> str:
    lengths = ", ".join(f"{length} ({odds:.0%})" for length, odds in settings.lengths)
    name = "Muon for the matrices, AdamW for the rest" if settings.optimiser == "muon" else "AdamW"
    return (
        f"{name}; peak rates {settings.learning_rate:g} and {settings.embedding_rate:g}, weight decay "
        f"{settings.weight_decay:g}, {settings.warmup_steps} steps of warm-up, a constant rate, and a fall to 0 over "
        f"the last {settings.decay:.0%}. Steps of {settings.step_tokens:,} tokens in windows of {lengths}; documents "
        f"packed, without masks between them."
    )
