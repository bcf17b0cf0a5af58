"""Replace the parts of a base by fused ones if they compute the same.

Two checks decide. The formula must be the same: this is checked in float32, once per kind of module, and finds an error
of one part in a hundred thousand. The result must be the same within rounding in the type of the run: this is checked
for every module. Both differences are relative to the largest value, because a difference that is one rounding step at
20 is an error at 0.1.
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
"""Largest accepted difference, in rounding steps at the largest value: 128 steps of float32 are 1.5e-5 of it.

Measured on eight model families, random and tuned: at most 23 steps in float32, and 2.4 in bfloat16. A gate with the
wrong activation (GELU for SiLU) differs by a million steps in float32, and by 16 in bfloat16.
"""
_HEADS = {"q_proj", "k_proj", "v_proj", "o_proj"}
_SETTINGS = {"config", "layer_idx", "layer_type", "head_dim", "num_key_value_groups", "scaling", "attention_dropout",
             "is_causal", "sliding_window", "num_heads", "num_key_value_heads", "hidden_size"}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """The fused code for a module, random inputs to compare it on, and its other arguments."""

    compute: Callable[..., Any]
    inputs: Tensor
    others: Mapping[str, Any]

    def to(self, dtype: torch.dtype) -> Part:
        """Return the part with its inputs in another type."""
        others = {name: _cast(value, dtype) for name, value in self.others.items()}
        return Part(self.compute, self.inputs.to(dtype), others)


@dataclass(frozen=True)
class FusedLayers:
    """How many parts were replaced, and by class how many were not, although their structure is known."""

    replaced: int
    kept: Mapping[str, int]

    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each class with parts that keep the slower code of the base."""
        return tuple(
            f"{count} {name} keep{'s' if count == 1 else ''} the model's own, slower code: "
            "the fused code differs by more than rounding"
            for name, count in sorted(self.kept.items())
        )


def fuse_layers(base: nn.Module) -> FusedLayers:
    """Replace all known parts of a base; call it before adapters are attached.

    A replaced part still runs its own code for calls with a cache, and for attention that transformers does not list.
    """
    replaced, kept, judged = 0, Counter[str](), dict[str, bool]()
    for module in base.modules():
        part = _part(module)
        if part is None:
            continue
        if _same_formula(module, part, judged) and _equal(module, part, _ROUNDING_STEPS):
            module.forward, replaced = _with_fallback(module, module.forward, part.compute), replaced + 1
        else:
            kept[f"{type(module).__name__} in {str(part.inputs.dtype).removeprefix('torch.')}"] += 1
    return FusedLayers(replaced, dict(kept))


def _part(module: Any) -> Part | None:
    """Recognise a part by its modules and settings; None if anything in it is unknown."""
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
    """Return values for a few tokens, always the same: (1, T, size)."""
    made = torch.randn(1, _TOKENS, size, generator=torch.Generator().manual_seed(size))
    return made.to(like.device, like.dtype if like.is_floating_point() else torch.bfloat16)


def _same_formula(module: nn.Module, part: Part, judged: dict[str, bool]) -> bool:
    """Whether both compute the same in float32; `judged` holds the results for the kinds seen before.

    Weights in 4 bits have no float32 form, so such a part is only checked in the type of the run.
    """
    if not all(each.is_floating_point() for each in module.parameters()):
        return True
    kind = _kind(module)
    if kind not in judged:
        exact = copy.deepcopy(module).float()
        judged[kind] = _equal(exact, part.to(torch.float32), _FORMULA_STEPS)
    return judged[kind]


def _kind(module: nn.Module) -> str:
    """Return the class, modules, sizes and settings of a module as text; modules of one kind have one formula."""
    sizes = [(name, tuple(value.shape)) for name, value in module.named_parameters()]
    settings = {name: value for name, value in _own(module).items() if name not in ("config", "layer_idx")}
    return f"{type(module)} {module!r} {sizes} {sorted(settings.items())}"


def _equal(module: nn.Module, part: Part, steps: int) -> bool:
    """Whether both have the same output and the same gradient of the input."""
    try:
        stock, fused = (_tried(way, part) for way in (module, partial(part.compute, module)))
    except (RuntimeError, KeyError, TypeError, AttributeError):
        return False
    return all(_close(one, two, steps) for one, two in zip(stock, fused, strict=True))


def _close(stock: Tensor, fused: Tensor, steps: int) -> bool:
    """Whether two tensors of one type differ by at most `steps` rounding steps at the largest value of the first.

    NaN is never close to anything.
    """
    if stock.dtype != fused.dtype:
        return False
    gap, largest = ((stock.float() - fused.float()).abs().max(), stock.float().abs().max())
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


def _with_fallback(module: Any, stock: Callable[..., Any], fused: Callable[..., Any]) -> Callable[..., Any]:
    attends = fused is attended

    def forward(*args: Any, **others: Any) -> Any:
        unknown = attends and module.config._attn_implementation not in ALL_ATTENTION_FUNCTIONS
        if others.get("past_key_values") is not None or unknown:
            return stock(*args, **others)
        return fused(module, *args, **others)

    return forward
