"""Elastic weight consolidation: weights that earlier rows need change less (Kirkpatrick et al. 2017).

The penalty is λ/2 · Σ F Δ² over the base's own weights. F is the diagonal of the Fisher information of the reference
rows at the start; Δ is the change of a weight since: for LoRA the product s B A, as in Xiang et al. (2023). A penalty
on the two factors would be wrong: the first one has no Fisher information at the start, because the second is zero, and
both can change without changing the model.
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
class TrainedWeight:
    """A weight of the base, a function that returns its change by training, and the parameters of that change."""

    weight: Tensor
    change: Callable[[], Tensor]
    parameters: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Protected:
    fisher: Tensor
    change: Callable[[], Tensor]
    parameters: tuple[Tensor, ...]


class Elastic:
    """The penalty of a run. `strength` is λ; the Fisher information has the type of the weights."""

    def __init__(self, body: Body, reference: Sequence[Row], strength: float, seed: int) -> None:
        trained = trained_weights(body.model)
        fisher = fisher_diagonal(body, {name: each.weight for name, each in trained.items()}, reference, seed)
        self._protected = [_Protected(fisher[name], each.change, each.parameters) for name, each in trained.items()]
        self._strength = strength

    def add_gradients(self) -> None:
        """Add the gradients of the penalty to those of the loss, weight by weight, so that memory holds one change.

        This does not run a backward pass of the model, so hooks that count backward passes do not see it.
        """
        for weight in self._protected:
            gradients = torch.autograd.grad(self._penalty(weight), weight.parameters)
            for parameter, gradient in zip(weight.parameters, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    @torch.no_grad()
    def value(self) -> float:
        """Return the current penalty in nats; it is added to the mean loss per supervised token."""
        return float(sum(float(self._penalty(weight)) for weight in self._protected))

    def _penalty(self, weight: _Protected) -> Tensor:
        return 0.5 * self._strength * (weight.fisher * weight.change().square()).sum()


def trained_weights(model: Any) -> dict[str, TrainedWeight]:
    """Return the weights of the base that training changes, by name.

    Raises InputError for a method that adds other weights instead of changing those of the base.
    """
    found: dict[str, TrainedWeight] = {}
    factors: set[int] = set()
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            found[name] = _lora_weight(name, module)
            factors.update(id(parameter) for parameter in module.parameters())
    others = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in factors
    }
    if (others if found else getattr(model, "peft_config", None)) or not (found or others):
        advice = "Use replay, or a method that changes the base's own weights: lora, full."
        raise InputError(
            "Elastic weight consolidation protects the base's own weights, which this method does not change.",
            _WHERE,
            advice,
        )
    start = {name: parameter.detach().clone() for name, parameter in others.items()}
    found.update(
        {name: TrainedWeight(each, partial(_difference, each, start[name]), (each,)) for name, each in others.items()}
    )
    return found


def _lora_weight(name: str, layer: Any) -> TrainedWeight:
    """Return the weight of a plain LoRA layer; variants such as DoRA change the weight in another way."""
    (adapter,) = layer.active_adapters
    if adapter not in layer.lora_A or adapter in layer.lora_variant or not isinstance(layer.base_layer, nn.Linear):
        raise InputError(f"The layer '{name}' is not a plain LoRA layer.", _WHERE, "Use plain LoRA on linear layers.")
    factors = (layer.lora_A[adapter].weight, layer.lora_B[adapter].weight)
    trained = tuple(factor for factor in factors if factor.requires_grad)
    return TrainedWeight(layer.base_layer.weight, partial(_product, layer, adapter), trained)


def _product(layer: Any, adapter: str) -> Tensor:
    product: Tensor = layer.scaling[adapter] * (layer.lora_B[adapter].weight @ layer.lora_A[adapter].weight)
    return product


def _difference(now: Tensor, before: Tensor) -> Tensor:
    return now - before


def fisher_diagonal(body: Body, weights: Mapping[str, Tensor], rows: Sequence[Row], seed: int) -> dict[str, Tensor]:
    """Estimate the diagonal of the Fisher information of each weight, in squared nats per supervised token.

    At every supervised position a token is sampled from the model, as the definition requires (the answers of the rows
    would give the "empirical" Fisher; Kunstner et al. 2019). One backward pass per row; the model does not change.
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
    """Return minus the log-probability of tokens that the model samples in place of the row's answer."""
    ids = torch.tensor(row.ids, device=generator.device)[None]
    logits = body.head(body.hidden(ids)[0, row.answer_start - 1 : len(row.ids) - 1]).float()
    drawn = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)[:, 0]
    return functional.cross_entropy(logits, drawn, reduction="sum")


@contextmanager
def _only_trainable(model: nn.Module, weights: Sequence[Tensor]) -> Iterator[None]:
    """Give gradients to these weights only, without dropout; restore everything afterwards."""
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
    """Choose at most this many rows by the hash of their tokens, so that the choice is always the same."""
    return sorted(rows, key=lambda row: position(repr(row.ids)))[:most]


def rows_digest(rows: Sequence[Row]) -> str:
    """Return the SHA-256 over the tokens of the rows, in order."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"\n{row.answer_start}\0{len(row.ids)}\n".encode())
        digest.update(array("q", row.ids).tobytes())
    return digest.hexdigest()
