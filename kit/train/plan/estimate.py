"""Estimate memory and compute from the recipe, the rows and the base's configuration. Pure arithmetic.

The memory formula covers a decoder with gated MLPs and root-mean-square norms whose layers use
`kit.train.model.fused_layers`. A frozen layer then stores per token, in elements of the weights' type: two times the
width of the MLP, two times the hidden width (the inputs of the norms), and two times the width of queries and keys, or
three times if they are normed. A method adds the activations of its own parameters. This is a first estimate; training
measures before the first step. In kB per token and layer, estimated against the saved tensors of nano:

| method | bfloat16: estimated of measured | float32 |
|---|---|---|
| lora, rank 16 | 6.7 of 6.9 | 13.4 of 13.6 |
| lora, rank 16, dropout | 15.9 of 15.9 | 31.8 of 31.5 |
| qlora, rank 16 | 16.1 of 16.1 | 13.4 of 13.4 |
| full | 12.9 of 13.0 | 12.9 of 13.0 |
| prompt, 16 tokens before rows of 256 | 6.9 of 6.9 | 13.7 of 13.8 |
| bottleneck, width 32 | 7.7 of 7.5 | 15.5 of 14.8 |

For qlora, peft's layer was measured over a base that is not in 4 bits, because 4 bits need a GPU; the bytes of a 4-bit
weight follow from the format. For peft's other methods there is no formula.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.recipe import BottleneckSection, FloatType, Recipe, TrainSection

_BYTES: dict[FloatType, int] = {"bfloat16": 2, "float32": 4}
_NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Bytes of a weight in 4 bits: a byte for each 64 weights' scale, and a float32 for each 256 such scales."""
_LOGITS_AT_ONCE = 1024
_KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
_GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """The widths of a base model: hidden, queries, keys and values, MLP; its layers and its vocabulary."""

    hidden: int
    queries: int
    keys: int
    inner: int
    layers: int
    vocabulary: int
    tied: bool
    query_norm: bool

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Inputs and outputs of the linear modules of a layer, by name."""
        hidden, queries, keys, inner = self.hidden, self.queries, self.keys, self.inner
        return {
            "q_proj": (hidden, queries),
            "k_proj": (hidden, keys),
            "v_proj": (hidden, keys),
            "o_proj": (queries, hidden),
            "gate_proj": (hidden, inner),
            "up_proj": (hidden, inner),
            "down_proj": (inner, hidden),
        }

    @property
    def linear_parameters(self) -> int:
        """Parameters of all layers' linear modules."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.linears.values())

    @property
    def parameters(self) -> int:
        """Parameters of the model without those of its norms."""
        return self.linear_parameters + self.vocabulary * self.hidden * (1 if self.tied else 2)


def read_shape(base: Path) -> Shape | None:
    """Return the widths from a base's `config.json`; None for a base of another kind (experts, no gated MLP)."""
    config: dict[str, Any] = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if any(not isinstance(config.get(key), int) for key in _KEYS) or "text_config" in config or _experts(config):
        return None
    heads = config["num_attention_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    return Shape(
        hidden=config["hidden_size"],
        queries=heads * width,
        keys=(config.get("num_key_value_heads") or heads) * width,
        inner=config["intermediate_size"],
        layers=config["num_hidden_layers"],
        vocabulary=config["vocab_size"],
        tied=bool(config.get("tie_word_embeddings")),
        query_norm=str(config.get("model_type", "")).startswith("qwen3"),
    )


def _experts(config: dict[str, Any]) -> bool:
    return any(config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts"))


@dataclass(frozen=True)
class Memory:
    """Bytes of each part: base, trained parameters, their gradients with Adam's two moments, and one micro-batch."""

    weights: int
    adapter: int
    optimiser: int
    activations: int
    logits: int

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(asdict(self).values())

    @property
    def batch(self) -> int:
        """Bytes that a micro-batch adds."""
        return self.activations + self.logits

    def sentence(self) -> str:
        """The parts in GiB, as text."""
        parts = ", ".join(f"{name} {gib(size)}" for name, size in asdict(self).items())
        return f"about {gib(self.total)} GiB in addition to the program itself ({parts})"


def gib(size: float) -> str:
    """Format bytes as GiB with two decimals, or none from 10 GiB on."""
    return f"{size / _GIB:.2f}" if size < 10 * _GIB else f"{size / _GIB:.0f}"


def estimate_memory(
    shape: Shape, section: TrainSection, compute: FloatType, tokens: int, labels: int, rows: int
) -> Memory | None:
    """Return the bytes that training needs; `tokens`, `labels` and `rows` describe the largest micro-batch.

    `compute` is the type of a frozen base. None for a method that the formula does not cover; `what_is_unknown` then
    gives the reason.
    """
    if section.method == "peft":
        return None
    whole = section.method == "full"
    size, trained = _BYTES["float32" if whole else compute], trained_parameters(shape, section)
    tokens += rows * section.prompt.tokens if section.method == "prompt" else 0
    return Memory(
        weights=_weights(shape, section, size),
        adapter=0 if whole else trained * 4,
        optimiser=trained * 12,
        activations=round(tokens * (_stored_by_layers(shape, section, size) + shape.hidden * size)),
        logits=min(labels, _LOGITS_AT_ONCE) * shape.vocabulary * (size + 8),
    )


def what_is_unknown(shape: Shape | None, section: TrainSection, compute: FloatType) -> str:
    """Say why `estimate_memory` has no figure, and what is known."""
    if shape is None:
        return "the base is not a decoder of the usual kind"
    weights = gib(shape.parameters * _BYTES[compute])
    unknown = "the number of its parameters and the size of its activations are unknown"
    return f"for peft's {section.peft.type}, {unknown}; the frozen base takes {weights} GiB"


def _weights(shape: Shape, section: TrainSection, size: int) -> int:
    """Bytes of the base; in 4 bits, its embeddings and its head keep their type."""
    if section.method != "qlora":
        return shape.parameters * size
    others = shape.parameters - shape.linear_parameters
    return round(shape.linear_parameters * _NF4) + others * size


def _stored_by_layers(shape: Shape, section: TrainSection, size: int) -> float:
    """Bytes that all layers store per token; with gradient checkpointing, their inputs and all of one layer."""
    if section.gradient_checkpointing == "on":
        return shape.layers * shape.hidden * size + _stored_per_layer(shape, section, size)
    return shape.layers * _stored_per_layer(shape, section, size)


def _stored_per_layer(shape: Shape, section: TrainSection, size: int) -> float:
    """Bytes that a layer stores per token for the backward pass."""
    heads = shape.queries + shape.keys
    frozen = (2 * shape.inner + 2 * shape.hidden + (3 if shape.query_norm else 2) * heads) * size
    if section.method in ("full", "prompt"):
        return frozen
    if section.method == "bottleneck":
        return frozen + _stored_by_bottlenecks(shape, section.bottleneck) * size
    return frozen + _stored_by_factors(shape, section, size)


def _stored_by_factors(shape: Shape, section: TrainSection, size: int) -> int:
    """Bytes that low-rank adapters add per token: the activations between their two factors.

    Their inputs are stored or recomputed anyway. With dropout each stores its own input and a mask; over 4 bits, peft's
    layer makes a float32 copy for each.
    """
    settings, names = section.lora, _adapted(shape, section.lora.targets)
    copies = section.method == "qlora" and size < 4
    inner = settings.rank * len(names)
    inputs = sum(shape.linears[name][0] for name in names)
    if settings.dropout:
        return (2 * inputs + inner) * (4 if copies else size)
    return (inputs + inner) * 4 if copies else inner * size


def _stored_by_bottlenecks(shape: Shape, settings: BottleneckSection) -> int:
    """Elements that bottleneck layers add per token: their input, a dropout mask, and both sides of the activation."""
    ends = settings.width * (1 if settings.activation == "relu" else 2)
    names = _adapted(shape, settings.targets)
    return sum(shape.linears[name][1] * (2 if settings.dropout else 1) + ends for name in names)


def trained_parameters(shape: Shape, section: TrainSection) -> int:
    """Return the number of parameters that a method trains; the method `peft` has no formula.

    A low-rank adapter has, per module, the rank times the sum of inputs and outputs; a bottleneck layer has two
    matrices and two biases.
    """
    if section.method == "full":
        return shape.parameters
    if section.method == "prompt":
        return section.prompt.tokens * shape.hidden
    if section.method == "bottleneck":
        width = section.bottleneck.width
        outputs = [shape.linears[name][1] for name in _adapted(shape, section.bottleneck.targets)]
        return shape.layers * sum(2 * width * size + width + size for size in outputs)
    adapted = (shape.linears[name] for name in _adapted(shape, section.lora.targets))
    return shape.layers * section.lora.rank * sum(map(sum, adapted))


def _adapted(shape: Shape, targets: str | list[str]) -> list[str]:
    names = [targets] if isinstance(targets, str) else targets
    return [
        name for name in shape.linears if targets == "all-linear" or name in {each.split(".")[-1] for each in names}
    ]


def largest_batch(recipe: Recipe, rows: int, longest: int) -> int:
    """Return the most tokens that a micro-batch can have, padding included."""
    return min(recipe.train.batch_tokens, min(rows, recipe.train.batch_rows) * longest)


def training_flops(shape: Shape, tokens: int, labels: int, length: float, frozen: bool = True) -> float:
    """Return the floating-point operations of training on rows of a mean `length`.

    Per token, two operations per parameter in the forward pass, two for the gradient of the activations (Kaplan et al.
    2020), and two for the gradient of the weights unless they are frozen. Causal attention covers half the length, once
    forward and twice backward; the output layer is computed at labels only.
    """
    linear = (4.0 if frozen else 6.0) * shape.linear_parameters * tokens
    attention = 3 * 2.0 * shape.layers * shape.queries * length * tokens
    return linear + attention + 4.0 * shape.vocabulary * shape.hidden * labels
