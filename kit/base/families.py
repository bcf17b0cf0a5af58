"""The tensors that a model's configuration describes, by name and shape, for the families that the kit knows.

The names are those of transformers' classes; a test compares them with the classes themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Dimensions = tuple[int | None, ...]
"""A shape; None is a width that the configuration leaves to the class."""
EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_MLP = ("gate_proj", "up_proj", "down_proj")
_TWO = ("input_layernorm", "post_attention_layernorm")
_AFTER = ("post_attention_layernorm", "post_feedforward_layernorm")
_FOUR = (*_TWO, "pre_feedforward_layernorm", "post_feedforward_layernorm")


@dataclass(frozen=True)
class Family:
    """How the layers of a family differ from those of the first Llama.

    `tied` and `head_width` are the defaults of the configuration; `flags` are its settings that give
    biases to linear modules.
    """

    norms: tuple[str, ...] = _TWO
    query_norm: Literal["none", "head", "whole"] = "none"
    biased: tuple[str, ...] = ()
    flags: tuple[str, ...] = ("attention_bias",)
    fused: bool = False
    tied: bool = False
    head_width: int | None = None


FAMILIES: Mapping[str, Family] = {
    "llama": Family(flags=("attention_bias", "mlp_bias")),
    "mistral": Family(flags=()),
    "qwen2": Family(flags=(), biased=("q_proj", "k_proj", "v_proj")),
    "qwen3": Family(query_norm="head", head_width=128),
    "gemma": Family(tied=True, head_width=256),
    "gemma2": Family(norms=_FOUR, tied=True, head_width=256),
    "gemma3_text": Family(norms=_FOUR, query_norm="head", tied=True, head_width=256),
    "phi3": Family(flags=(), fused=True),
    "granite": Family(flags=("attention_bias", "mlp_bias")),
    "smollm3": Family(flags=("attention_bias", "mlp_bias"), tied=True),
    "olmo2": Family(norms=_AFTER, query_norm="whole"),
    "olmo3": Family(norms=_AFTER, query_norm="whole"),
}


def number(config: Mapping[str, Any], key: str) -> int | None:
    """Return an integer of a configuration; None if it has no such integer."""
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def is_tied(config: Mapping[str, Any]) -> bool:
    """Whether the output head shares the weights of the embeddings."""
    family = FAMILIES.get(str(config.get("model_type")), Family())
    return bool(config.get("tie_word_embeddings", family.tied))


def expected_tensors(config: Mapping[str, Any]) -> dict[str, Dimensions] | None:
    """Return the tensors that a configuration describes; None for a family that is not known here."""
    family, layers = FAMILIES.get(str(config.get("model_type"))), number(config, "num_hidden_layers")
    if family is None or layers is None:
        return None
    hidden, rows = number(config, "hidden_size"), number(config, "vocab_size")
    layer = dict(_layer(config, family, hidden))
    found: dict[str, Dimensions] = {EMBEDDINGS: (rows, hidden), "model.norm.weight": (hidden,)}
    for index in range(layers):
        found |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    return found if is_tied(config) else {**found, HEAD: (rows, hidden)}


def _layer(config: Mapping[str, Any], family: Family, hidden: int | None) -> Iterator[tuple[str, Dimensions]]:
    """Yield the tensors of one layer."""
    inner, heads = number(config, "intermediate_size"), number(config, "num_attention_heads")
    head = number(config, "head_dim") or family.head_width or (hidden // heads if hidden and heads else None)
    queries = _product(heads, head)
    keys = _product(number(config, "num_key_value_heads"), head)
    widths = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    if family.fused:
        both = None if queries is None or keys is None else queries + 2 * keys
        fused = {"self_attn.qkv_proj": (both, hidden), "mlp.gate_up_proj": (_product(2, inner), hidden)}
        widths = {name: widths[name] for name in ("self_attn.o_proj", "mlp.down_proj")} | fused
    biased = {*family.biased, *_by_flag(config, family)}
    for name, shape in widths.items():
        yield f"{name}.weight", shape
        if name.rpartition(".")[2] in biased:
            yield f"{name}.bias", shape[:1]
    for norm in family.norms:
        yield f"{norm}.weight", (hidden,)
    if family.query_norm != "none":
        alone = family.query_norm == "head"
        yield "self_attn.q_norm.weight", (head if alone else queries,)
        yield "self_attn.k_norm.weight", (head if alone else keys,)


def _by_flag(config: Mapping[str, Any], family: Family) -> tuple[str, ...]:
    asked = {"attention_bias": _ATTENTION, "mlp_bias": _MLP}
    return tuple(name for flag in family.flags if config.get(flag) for name in asked[flag])


def _product(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one * other
