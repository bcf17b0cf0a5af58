"""Elastic weight consolidation: what earlier rows need of the weights moves less (Kirkpatrick et al. 2017).

The penalty is λ/2 · Σ F Δ² over the base's own weights. F is the diagonal of the Fisher information of the reference
rows at the start; Δ is how far a weight has moved since: for LoRA its product s B A, as Xiang et al. (2023) do it. The
two factors would be the wrong things to tie: the first has no Fisher information at the start, because the second is
zero, and both can turn without changing the model.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn
from torch.nn import functional

from kit.data.rows import Row
from kit.data.split import position
from kit.errors import InputError
from kit.train.model.split import Body

_WHERE = "train.ewc"


@dataclass(frozen=True)
class Moved:
    """A weight that the base has, how to compute what training has added to it, and the parameters that makes it of."""

    weight: Tensor
    change: Callable[[], Tensor]
    parameters: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Tether:
    fisher: Tensor
    change: Callable[[], Tensor]
    parameters: tuple[Tensor, ...]


class Elastic:
    """The penalty of a run. `strength` is λ; the Fisher information is kept in the type of the weights."""

    def __init__(self, body: Body, reference: Sequence[Row], strength: float, seed: int) -> None:
        moved = moved_weights(body.model)
        fisher = fisher_diagonal(body, {name: each.weight for name, each in moved.items()}, reference, seed)
        self._tethers = [_Tether(fisher[name], each.change, each.parameters) for name, each in moved.items()]
        self._strength = strength

    def add_gradients(self) -> None:
        """Add the penalty's gradients to those of the loss, weight by weight, so that one change exists at a time.

        They are no backward pass of the step's loss: what counts those hears nothing of it.
        """
        for tether in self._tethers:
            gradients = torch.autograd.grad(self._penalty(tether), tether.parameters)
            for parameter, gradient in zip(tether.parameters, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    @torch.no_grad()
    def value(self) -> float:
        """The penalty as it stands, in nats: what is added to the mean loss per supervised token."""
        return float(sum(float(self._penalty(tether)) for tether in self._tethers))

    def _penalty(self, tether: _Tether) -> Tensor:
        return 0.5 * self._strength * (tether.fisher * tether.change().square()).sum()


def moved_weights(model: Any) -> dict[str, Moved]:
    """Return the weights of the base that training moves, by name.

    Raises InputError for a method that leaves them as they are and adds others, of which the base knows nothing.
    """
    found: dict[str, Moved] = {}
    factors: set[int] = set()
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            found[name] = _lora_moved(name, module)
            factors.update(id(parameter) for parameter in module.parameters())
    others = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in factors
    }
    if (others if found else getattr(model, "peft_config", None)) or not (found or others):
        advice = "Use replay, or a method that changes the base's own weights: lora, full."
        raise InputError("Elastic weight consolidation ties the base's own weights.", _WHERE, advice)
    start = {name: parameter.detach().clone() for name, parameter in others.items()}
    found.update({name: Moved(each, partial(_difference, each, start[name]), (each,)) for name, each in others.items()})
    return found


def _lora_moved(name: str, layer: Any) -> Moved:
    """The product of a plain LoRA layer's factors; a variant such as DoRA changes the weight in another way."""
    (adapter,) = layer.active_adapters
    if adapter not in layer.lora_A or adapter in layer.lora_variant or not isinstance(layer.base_layer, nn.Linear):
        raise InputError(f"The layer '{name}' is no plain LoRA layer.", _WHERE, "Use plain LoRA on linear layers.")
    factors = (layer.lora_A[adapter].weight, layer.lora_B[adapter].weight)
    trained = tuple(factor for factor in factors if factor.requires_grad)
    return Moved(layer.base_layer.weight, partial(_product, layer, adapter), trained)


def _product(layer: Any, adapter: str) -> Tensor:
    product: Tensor = layer.scaling[adapter] * (layer.lora_B[adapter].weight @ layer.lora_A[adapter].weight)
    return product


def _difference(now: Tensor, before: Tensor) -> Tensor:
    return now - before


def fisher_diagonal(body: Body, weights: Mapping[str, Tensor], rows: Sequence[Row], seed: int) -> dict[str, Tensor]:
    """Estimate the diagonal of the Fisher information of each weight, in squared nats per supervised token.

    At every supervised position a token is drawn from the model itself, as the definition asks (the answers of the rows
    would give the "empirical" Fisher; Kunstner et al. 2019). One backward pass per row; nothing of the model changes.
    """
    model = body.model
    generator = torch.Generator(device=next(model.parameters()).device).manual_seed(seed)
    sums = {name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()}
    with _only_trainable(model, list(weights.values())):
        for row in rows:
            nats = _drawn_nats(body, row, generator)
            gradients = torch.autograd.grad(nats, list(weights.values()), allow_unused=True, materialize_grads=True)
            for total, gradient in zip(sums.values(), gradients, strict=True):
                total += gradient.float().square()
    tokens = sum(len(row.ids) - row.answer_start for row in rows)
    return {name: (sums[name] / tokens).to(weight.dtype) for name, weight in weights.items()}


def _drawn_nats(body: Body, row: Row, generator: torch.Generator) -> Tensor:
    """Minus the log-probability of an answer of a row's length that the model draws, token by token in its place."""
    ids = torch.tensor(row.ids, device=generator.device)[None]
    logits = body.head(body.hidden(ids)[0, row.answer_start - 1 : len(row.ids) - 1]).float()
    drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
    return functional.cross_entropy(logits, drawn, reduction="sum")


@contextmanager
def _only_trainable(model: nn.Module, weights: Sequence[Tensor]) -> Iterator[None]:
    """Let these weights alone have gradients, without dropout; everything is put back."""
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    training = model.training
    model.requires_grad_(False)
    for weight in weights:
        weight.requires_grad_(True)
    model.eval()
    try:
        yield
    finally:
        model.train(training)
        for parameter, wanted in before.items():
            parameter.requires_grad_(wanted)


def reference_rows(rows: Sequence[Row], most: int) -> list[Row]:
    """Choose at most this many rows, always the same ones: the first by the hash of their tokens."""
    return sorted(rows, key=lambda row: position(repr(row.ids)))[:most]


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the tokens of rows, in their order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"\n{row.answer_start}\0{len(row.ids)}\n".encode())
        digest.update(array("q", row.ids).tobytes())
    return digest.hexdigest()
