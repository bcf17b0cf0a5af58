"""What training will take, told from the recipe, the rows and the base's configuration alone. Pure arithmetic.

The memory of a decoder of the usual kind (gated MLP, root-mean-square norms) whose backward pass keeps what it needs:
per token and layer, in elements of the weights' type, four of the MLP's width, two of the hidden width, and two of the
queries', the keys' and values'; and in float32, two of the hidden width for the norms. Counted on the saved tensors of
nano in both types: 12.3 of 12.6 kB, and 20.5 of 21.4 kB. It is a first guess; training measures before it begins.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kit.recipe import FloatType, Recipe, TrainSection

_BYTES: dict[FloatType, int] = {"bfloat16": 2, "float32": 4}
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
        """Parameters of the model, those of the norms left out."""
        return self.linear_parameters + self.vocabulary * self.hidden * (1 if self.tied else 2)


def read_shape(base: Path) -> Shape | None:
    """Return the widths from a base's `config.json`; None where it is of another kind (experts, no gated MLP)."""
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
    """Bytes of each part: the base, what is trained, its gradients with Adam's two moments, and one micro-batch."""

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
        """What a micro-batch adds to what is resident before it."""
        return self.activations + self.logits

    def sentence(self) -> str:
        """The parts for a person, in GiB."""
        parts = ", ".join(f"{name} {gib(size)}" for name, size in asdict(self).items())
        return f"about {gib(self.total)} GiB beside the program itself ({parts})"


def gib(size: float) -> str:
    """Bytes as GiB with two figures that count."""
    return f"{size / _GIB:.2f}" if size < 10 * _GIB else f"{size / _GIB:.0f}"


def estimate_memory(shape: Shape, section: TrainSection, compute: FloatType, tokens: int, labels: int) -> Memory | None:
    """Return the bytes that training takes; `tokens` and `labels` are those of the largest micro-batch.

    `compute` is the type that a frozen base is held in. None for a method that the formula does not know.
    """
    if section.method not in ("lora", "full"):
        return None
    whole = section.method == "full"
    size, trained = _BYTES["float32" if whole else compute], trained_parameters(shape, section)
    low_rank = 0 if whole else section.lora.rank * len(_adapted(shape, section.lora.targets))
    heads = shape.queries + shape.keys
    own = 4 * shape.inner + 2 * shape.hidden + 2 * heads + low_rank
    exact = 2 * shape.hidden + (heads if shape.query_norm else 0)
    return Memory(
        weights=shape.parameters * size,
        adapter=0 if whole else trained * 4,
        optimiser=trained * 12,
        activations=tokens * (shape.layers * (own * size + exact * 4) + shape.hidden * size),
        logits=min(labels, _LOGITS_AT_ONCE) * shape.vocabulary * (size + 8),
    )


def trained_parameters(shape: Shape, section: TrainSection) -> int:
    """All parameters; or those of a low-rank adapter: per adapted module, the rank times its inputs and outputs."""
    if section.method == "full":
        return shape.parameters
    adapted = (shape.linears[name] for name in _adapted(shape, section.lora.targets))
    return shape.layers * section.lora.rank * sum(map(sum, adapted))


def _adapted(shape: Shape, targets: str | list[str]) -> list[str]:
    names = [targets] if isinstance(targets, str) else targets
    return [
        name for name in shape.linears if targets == "all-linear" or name in {each.split(".")[-1] for each in names}
    ]


def largest_batch(recipe: Recipe, rows: int, longest: int) -> int:
    """Most tokens that a micro-batch can have, padding included."""
    return min(recipe.train.batch_tokens, min(rows, recipe.train.batch_rows) * longest)


def training_flops(shape: Shape, tokens: int, labels: int, length: float) -> float:
    """Floating-point operations of training on rows of a mean `length`, the weights frozen.

    Twice the parameters forward, and as much for the gradient by the activations (Kaplan et al. 2020, without the
    third that frozen weights do not need); causal attention over half the length, forward once and backward twice; the
    output layer at labels only.
    """
    linear = 4.0 * shape.linear_parameters * tokens
    attention = 3 * 2.0 * shape.layers * shape.queries * length * tokens
    return linear + attention + 4.0 * shape.vocabulary * shape.hidden * labels
