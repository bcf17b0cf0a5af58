"""The model card: what the model is, what it read, how it was made; figures are put in by the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.base.pretrain.history import History, smoothed
from kit.base.pretrain.settings import Settings, Shape
from kit.evals.figures import read_figures

_FIGURES = "Not measured: `python -m bench base` does, and writes its figures here."

_CARD = """\
# nano: the base model that ships with the kit

{parameters:.1f} million parameters, Qwen3-shaped ({shape}), bfloat16, context {positions}. A byte-level BPE tokenizer
of {vocabulary} takes any bytes and splits numbers into digits. It is there so that the whole path can be tried in
minutes on any machine. It is no assistant: what it says of law, medicine or anything else is fluent and not to be
relied on.

## Figures

<!-- figures:base -->
{figures}
<!-- /figures -->

## What it read

{total:,} tokens in one pass over the mixture; it read {seen:,} tokens in all ({passes:.1f} passes). No document that an
importer or a template tests on was among them: documents are split by content hash of their group, and passages of
thirteen words that stand in an evaluated text were cut.

{sets}

Of the tokens, {kinds}. Exercises are made of the texts themselves: quotes, missing lines, words and sentences, labels
that the sets give, questions and answers.

## How it was trained

{recipe} The last training loss was {loss:.2f} nats per token (smoothed), after {steps:,} steps and {hours:.1f} hours on
{device}.

![training loss and bits per byte on held-out texts](curve.png)

## Limits

English only; contracts, medical encyclopedia articles, customers' queries, old novels and Python are most of what it
knows. It was not tested for bias or harm.

## To make it again

    DOMAINKIT_DATA=folder-of-public-sets python -m kit.base.pretrain {command}
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
    """Write README.md; figures that a bench has put there stay."""
    last = history.steps[-1]
    text = _CARD.format(
        parameters=parameters / 1e6,
        shape=f"hidden {shape.hidden}, {shape.layers} layers, {shape.heads} heads of {shape.head_size}, "
        f"{shape.key_value_heads} for keys and values, feed-forward {shape.feed_forward}, tied embeddings",
        positions=f"{shape.positions:,}",
        vocabulary=f"{facts['vocabulary']:,}",
        figures=_kept_figures(folder / "README.md"),
        total=facts["total"],
        seen=last["tokens"],
        passes=last["tokens"] / facts["total"],
        sets=_table(facts["sets"], facts["tokens"]),
        kinds=", ".join(f"{count / facts['total']:.0%} are {kind} pieces" for kind, count in facts["kinds"].items()),
        recipe=_recipe(settings),
        loss=smoothed([step["loss"] for step in history.steps])[-1],
        steps=last["step"],
        hours=last["seconds"] / 3600,
        device=device,
        command=command,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _kept_figures(page: Path) -> str:
    if page.is_file() and "<!-- figures:base -->" in page.read_text(encoding="utf-8"):
        return read_figures(page, "base")
    return _FIGURES


def _table(sets: Sequence[Mapping[str, Any]], tokens: Mapping[str, int]) -> str:
    keys = ("licence", "documents", "held_out", "repeated", "contaminated", "cut", "kept")
    lines = [f"| set | {' | '.join(keys)} | tokens |".replace("_", " "), "|---" * (len(keys) + 2) + "|"]
    for row in sets:
        values = " | ".join(str(row[key]) for key in keys)
        lines.append(f"| {row['name']} | {values} | {tokens.get(row['name'], 0):,} |")
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
