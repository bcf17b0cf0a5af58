"""A causal language model as its layers and its head, so that logits are computed only where they are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor

from kit.errors import InputError

Head = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Body:
    """A causal language model in two parts: the layers, and the head that maps hidden states to logits."""

    model: PeftModel
    head: Head
    through: Callable[[Callable[[], Any]], Any] = lambda act: act()
    """Calls the function that computes the loss; a sharded model gathers its weights there."""

    @property
    def head_weights(self) -> tuple[Tensor, ...]:
        """The trained weights of the head; none if it is frozen."""
        return tuple(weight for weight in self.base.get_output_embeddings().parameters() if weight.requires_grad)

    @property
    def base(self) -> Any:
        """The transformers model, with its adapters."""
        return self.model.get_base_model()

    def checkpoint_layers(self, on: bool) -> None:
        """Turn gradient checkpointing on or off (Chen et al. 2016); the results do not change.

        Raises InputError if the base does not support it.
        """
        if not on:
            self.base.gradient_checkpointing_disable()
        elif self.base.supports_gradient_checkpointing:
            self.base.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            what = f"{type(self.base).__name__} does not support gradient checkpointing."
            raise InputError(what, "train.gradient_checkpointing", "Set it to off.")

    def hidden(self, ids: Tensor, **others: Any) -> Tensor:
        """Return the last hidden states: (R, L) ids to (R, L, H)."""
        states: Tensor = self.base.base_model(input_ids=ids, use_cache=False, **others).last_hidden_state
        return states


def split_model(model: PeftModel) -> Body:
    """Split the model into layers and head.

    Raises InputError if both together do not give the model's logits on a few tokens.
    """
    base = model.get_base_model()
    body = Body(model, _head(base))
    ids = torch.arange(1, 9, device=base.device)[None]
    with torch.no_grad():
        whole, parts = base(input_ids=ids, use_cache=False).logits.float(), body.head(body.hidden(ids)).float()
    if not torch.allclose(whole, parts, rtol=1e-3, atol=1e-3 * float(whole.abs().max())):
        kind = type(base).__name__
        raise InputError(
            f"{kind} changes its logits in a way that training does not know.", next="Choose another base."
        )
    return body


def layers_of(base: Any) -> list[torch.nn.Module]:
    """Return the layers of a model, first to last. Raises InputError if they cannot be found."""
    count = base.config.num_hidden_layers
    for module in base.base_model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    what = f"The {count} layers of {type(base).__name__} cannot be found."
    raise InputError(what, "train", "They cannot be sharded: set train.parallel to data.")


def _head(base: Any) -> Head:
    """Return the output embeddings with the two adjustments to logits that known architectures make."""
    project = base.get_output_embeddings()
    scale = float(getattr(base.config, "logits_scaling", None) or 1.0)
    cap = float(getattr(base.config, "final_logit_softcapping", None) or 0.0)

    def head(hidden: Tensor) -> Tensor:
        logits: Tensor = project(hidden)
        logits = logits if scale == 1.0 else logits / scale
        return cap * torch.tanh(logits / cap) if cap else logits

    return head
