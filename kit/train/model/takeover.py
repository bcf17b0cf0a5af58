"""Puts lean parts in the place of a base's own, where they compute the same.

Two questions are asked of a part. Is the formula the same? That is judged in float32, once per kind of module, where a
formula that is off by one part in a hundred thousand shows. Does it come out the same in the type that the run computes
in? That is judged of every module, as far as rounding allows. Both gaps are relative to the largest value: a fixed gap
that is a rounding step at 20 is a fault at 0.1.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from kit.train.model.fused_layers import attended, gated, norm

_TOKENS = 6
_FORMULA_STEPS = 128
_ROUNDING_STEPS = 8
"""Largest gap between the two ways, in rounding steps at the largest value: 128 of float32 are 1.5e-5 of it.

Measured on eight families, random and tuned: at most 23 in float32, and 2.4 in bfloat16. A gate of another activation
(GELU for SiLU) is off by a million steps of float32, and by 16 of bfloat16.
"""
_HEADS = {"q_proj", "k_proj", "v_proj", "o_proj"}
_SETTINGS = {"config", "layer_idx", "layer_type", "head_dim", "num_key_value_groups", "scaling", "attention_dropout",
             "is_causal", "sliding_window", "num_heads", "num_key_value_heads", "hidden_size"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Our way to compute a module, random inputs to try it on, and what else it takes."""

    compute: Callable[..., Any]
    inputs: Tensor
    others: Mapping[str, Any]

    def to(self, dtype: torch.dtype) -> Part:
        """Return the part with its inputs in another type."""
        others = {name: _cast(value, dtype) for name, value in self.others.items()}
        return Part(self.compute, self.inputs.to(dtype), others)


@dataclass(frozen=True)
class FusedLayers:
    """How many parts are computed in our way, and of those that look like ours and are not, how many of each class."""

    taken: int
    kept: Mapping[str, int]

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence for each class of which parts are computed in the base's own, slower way."""
        return tuple(
            f"{count} {name} keep{'s' if count == 1 else ''} the model's own, slower form: "
            "ours does not compute the same within rounding"
            for name, count in sorted(self.kept.items())
        )


def fuse_layers(base: nn.Module) -> FusedLayers:
    """Replace the parts of a base that have a faster form here, before adapters are attached.

    A part keeps its own form for calls with a cache, and where its attention is none that transformers lists by name.
    """
    taken, kept, judged = 0, Counter[str](), dict[str, bool]()
    for module in base.modules():
        part = _part(module)
        if part is None:
            continue
        if _same_formula(module, part, judged) and _equal(module, part, _ROUNDING_STEPS):
            module.forward, taken = _either(module, module.forward, part.compute), taken + 1
        else:
            kept[f"{type(module).__name__} in {str(part.inputs.dtype).removeprefix('torch.')}"] += 1
    return FusedLayers(taken, dict(kept))


def _part(module: Any) -> Part | None:
    """Tell a part by its modules and settings; None where it is none of ours, or has anything that we do not know."""
    parts = set(dict(module.named_children()))
    if hasattr(module, "variance_epsilon") and set(module._parameters) == {"weight"} and not parts:
        return Part(norm, _random(module.weight, module.weight.numel()), {})
    if parts == {"gate_proj", "up_proj", "down_proj", "act_fn"}:
        return Part(gated, _random(module.gate_proj.weight, module.gate_proj.in_features), {})
    if parts in (_HEADS, _HEADS | {"q_norm", "k_norm"}) and set(_own(module)) <= _SETTINGS:
        weight = module.q_proj.weight
        angles = _random(weight, module.head_dim // 2).repeat(1, 1, 2)
        turns = {"position_embeddings": (angles.cos(), angles.sin()), "attention_mask": None}
        return Part(attended, _random(weight, module.q_proj.in_features), turns)
    return None


def _own(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "training"}


def _random(like: Tensor, size: int) -> Tensor:
    """Values for a few tokens: (1, T, size), the same every time."""
    made = torch.randn(1, _TOKENS, size, generator=torch.Generator().manual_seed(size))
    return made.to(like.device, like.dtype if like.is_floating_point() else torch.bfloat16)


def _same_formula(module: nn.Module, part: Part, judged: dict[str, bool]) -> bool:
    """Whether both ways compute the same in float32; `judged` holds what was found of the kinds seen before.

    Weights in 4 bits cannot be held in float32: such a part is judged in the run's type alone.
    """
    if not all(each.is_floating_point() for each in module.parameters()):
        return True
    kind = _kind(module)
    if kind not in judged:
        exact = copy.deepcopy(module).float()
        judged[kind] = _equal(exact, part.to(torch.float32), _FORMULA_STEPS)
    return judged[kind]


def _kind(module: nn.Module) -> str:
    """The class, its modules, the sizes and every setting but the layer's number: one kind has one formula."""
    sizes = [(name, tuple(value.shape)) for name, value in module.named_parameters()]
    settings = {name: value for name, value in _own(module).items() if name not in ("config", "layer_idx")}
    return f"{type(module)} {module!r} {sizes} {sorted(settings.items())}"


def _equal(module: nn.Module, part: Part, steps: int) -> bool:
    """Whether both ways have the same output, and the same gradient by the input."""
    try:
        stock, ours = (_tried(way, part) for way in (module, partial(part.compute, module)))
    except (RuntimeError, KeyError, TypeError, AttributeError):
        return False
    return all(_close(one, two, steps) for one, two in zip(stock, ours, strict=True))


def _close(stock: Tensor, ours: Tensor, steps: int) -> bool:
    """Whether two tensors of one type differ by at most so many rounding steps at the largest value of the first.

    Values that are no numbers are never close.
    """
    if stock.dtype != ours.dtype:
        return False
    gap, largest = ((stock.float() - ours.float()).abs().max(), stock.float().abs().max())
    return bool(gap <= steps * torch.finfo(stock.dtype).eps * largest)


def _tried(way: Callable[..., Any], part: Part) -> tuple[Tensor, Tensor]:
    leaf = part.inputs.clone().requires_grad_(True)
    with torch.enable_grad():
        made = way(leaf, **part.others)
        out = made[0] if isinstance(made, tuple) else made
        (gradient,) = torch.autograd.grad(out, leaf, torch.linspace(-1, 1, out.numel()).to(out).view_as(out))
    return out.detach(), gradient


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, tuple):
        return tuple(_cast(each, dtype) for each in value)
    return value.to(dtype) if isinstance(value, Tensor) else value


def _either(module: Any, stock: Callable[..., Any], lean: Callable[..., Any]) -> Callable[..., Any]:
    attends = lean is attended

    def forward(*args: Any, **others: Any) -> Any:
        unknown = attends and module.config._attn_implementation not in ALL_ATTENTION_FUNCTIONS
        if others.get("past_key_values") is not None or unknown:
            return stock(*args, **others)
        return lean(module, *args, **others)

    return forward
