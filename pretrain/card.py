"""The model card: what the model is, what it read, how it was made; the bench puts its figures in."""

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
of {vocabulary} takes any bytes and splits numbers into digits. It is there so that the whole path can be tried in
minutes on any machine. It is no assistant: what it says of law, medicine or anything else is fluent and not to be
relied on.

## Figures

Bits per byte on held-out texts of each domain; `seed` is the checkpoint that was there before, `xz` is `xz -9`.

<!-- figures:bits -->
Not measured: the bench was not run to its end with these weights.
<!-- /figures -->

What five CPU-minutes of LoRA bring (ten for `tuned.cuad`), beside the base as it is, a few examples in its prompt, and
the classical baseline. A CPU-minute is a minute on one thread.

<!-- figures:base -->
Not measured: the bench was not run to its end with these weights.
<!-- /figures -->

`make bench-base` writes them here.

## What it read

It read {seen:,} tokens in all: {constant} while the learning rate was constant, then {fall} while it fell, of another
mixture of the same sets. No document that an importer or a template tests on was among them: documents are split by
content hash of their group, and passages of thirteen words that stand in an evaluated text were cut.

{sets}

Of the tokens, {constant_kinds}; in the fall, {fall_kinds}. Exercises are made of the texts themselves{editions}:
quotes, missing lines, words and sentences, labels that the sets give, questions and answers.

## How it was trained

{recipe} The last training loss was {loss:.2f} nats per token (smoothed), after {steps:,} steps and {minutes:,.1f}
minutes on {device}.

![training loss and bits per byte on held-out texts](curve.png)

## Limits

English only; contracts, medical encyclopedia articles, customers' queries, old novels and Python are most of what it
knows. It was not tested for bias or harm.

## To make it again

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
    """Write README.md, without figures: those of another model are none of this one."""
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
        editions=f", {facts['editions']} times anew" if facts["editions"] > 1 else "",
        recipe=_recipe(settings),
        loss=smoothed([step["loss"] for step in history.steps])[-1],
        steps=last["step"],
        minutes=last["seconds"] / 60,
        device=device,
        command=command,
    )
    (folder / "README.md").write_text("\n\n".join(map(_wrapped, text.split("\n\n"))), encoding="utf-8")


def _wrapped(block: str) -> str:
    """Return a paragraph in lines of one width; what is no paragraph stays as it is."""
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
