"""Adapters that work through hooks: the model's own modules stay unchanged.

Training and the local engine use the same classes, so that the trained adapter answers. No other engine has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from kit.adapters.format import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PROMPT
from kit.errors import InputError

Activation = Literal["gelu", "relu", "silu"]


class Hooked(nn.Module):
    """An adapter that is active while its hooks are on a model."""

    def hook(self, model: Any) -> list[RemovableHandle]:
        """Put the hooks on a causal language model; it is adapted until they are removed."""
        raise NotImplementedError

    @contextmanager
    def active(self, model: Any) -> Iterator[None]:
        """Adapt the model while the block runs."""
        handles = self.hook(model)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


class SoftPrompt(Hooked):
    """Trained embeddings before every row (Lester et al. 2021); the output is as long as the input.

    `embedding` is (prompt tokens, H). Inputs and outputs have the shapes of the plain model: (R, L) ids to (R, L, H).
    """

    def __init__(self, embedding: Tensor) -> None:
        super().__init__()
        self.embedding = embedding
        self._began = False

    def hook(self, model: Any) -> list[RemovableHandle]:
        """Put the hooks on the layers' input and output."""
        body = model.base_model
        return [
            body.register_forward_pre_hook(self._prepend, with_kwargs=True),
            body.register_forward_hook(self._cut),
        ]

    def _prepend(self, body: Any, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[()], dict[str, Any]]:
        """Put the prompt before the first tokens of a sequence, and room for it into masks and positions."""
        if args:
            given = {**given, "input_ids": args[0]}
        count, cache, mask = len(self.embedding), given.get("past_key_values"), given.get("attention_mask")
        self._began = cache is None or cache.get_seq_length() == 0
        if mask is not None:
            given["attention_mask"] = functional.pad(mask, (count, 0), value=1)
        if (positions := given.get("position_ids")) is not None:
            before = torch.arange(count, device=positions.device).expand(len(positions), -1)
            given["position_ids"] = torch.cat([before, positions + count], 1) if self._began else positions + count
        if self._began:
            own = body.get_input_embeddings()(given.pop("input_ids"))
            prompt = self.embedding.to(own.dtype).expand(len(own), -1, -1)
            given["inputs_embeds"] = torch.cat([prompt, own], 1)
        return (), given

    def _cut(self, _body: Any, _args: Any, output: Any) -> Any:
        if self._began:
            output.last_hidden_state = output.last_hidden_state[:, len(self.embedding) :]
        return output


class AdapterLayer(nn.Module):
    """y + W_up · act(W_down · y + b) + c, computed in the dtype of y. W_up is zero at first, so it changes nothing."""

    def __init__(self, size: int, width: int, activation: Activation, dropout: float) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, width), nn.Linear(width, size)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)
        self.dropout = nn.Dropout(dropout)
        self._activation = getattr(functional, activation)

    def forward(self, y: Tensor) -> Tensor:
        """Return the adapted output, as large as the output that it adapts."""
        inner = self._activation(_linear(self.down, self.dropout(y)))
        return y + _linear(self.up, inner)


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    return functional.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


class Bottleneck(Hooked):
    """Adapter layers (Houlsby et al. 2019), one behind each target: the last matrix of a sublayer, before the sum.

    `settings` are width, activation, dropout and targets. The layers are not linear, so they cannot be merged.
    """

    def __init__(self, model: Any, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.settings = dict(settings)
        shape = settings["width"], settings["activation"], settings["dropout"]
        self.layers = nn.ModuleDict(
            {
                name.replace(".", "/"): AdapterLayer(module.out_features, *shape)
                for name, module in model.named_modules()
                if isinstance(module, nn.Linear) and name.rpartition(".")[2] in settings["targets"]
            }
        )

    def hook(self, model: Any) -> list[RemovableHandle]:
        """Put each adapter layer behind its module."""
        return [
            model.get_submodule(key.replace("/", ".")).register_forward_hook(
                lambda _module, _args, output, layer=layer: layer(output)
            )
            for key, layer in self.layers.items()
        ]


class HookedModel(nn.Module):
    """A model whose hooks are active, with the interface of peft's wrapper."""

    def __init__(self, model: Any, adapter: Hooked) -> None:
        super().__init__()
        self.model, self.adapter = model, adapter
        adapter.hook(model)

    def forward(self, **given: Any) -> Any:
        """Run the adapted model."""
        return self.model(**given)

    def get_base_model(self) -> Any:
        """The model itself, which the hooks adapt."""
        return self.model


def read_hooked(folder: Path, model: Any) -> Hooked:
    """Read a hooked adapter, in the dtype and on the device of the model.

    Raises InputError if its tensors do not match its configuration or the model.
    """
    config = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    state = load_file(folder / ADAPTER_WEIGHTS)
    made: Hooked
    if config["peft_type"] == PROMPT:
        size = model.get_input_embeddings().embedding_dim
        prompt = state.get("prompt_embeddings")
        if prompt is None or tuple(prompt.shape) != (config["num_virtual_tokens"], size):
            raise InputError("The soft prompt is missing, or it has another width than the model.", str(folder))
        made = SoftPrompt(prompt.to(model.device, model.dtype))
    else:
        made = Bottleneck(model, config)
        try:
            made.load_state_dict(rename_state(state, "/"))
        except RuntimeError as error:
            raise InputError(f"The adapter layers do not fit this model: {error}", str(folder)) from None
    return made.to(model.device, model.dtype).eval()


def rename_state(state: Mapping[str, Tensor], separator: Literal[".", "/"]) -> dict[str, Tensor]:
    """Rename between `layers.a/b.down.weight`, as torch requires it, and `a.b.down.weight`, as it is saved."""
    if separator == ".":
        return {name.removeprefix("layers.").replace("/", "."): tensor for name, tensor in state.items()}
    return {_slashed(name): tensor for name, tensor in state.items()}


def _slashed(name: str) -> str:
    module, layer, kind = name.rsplit(".", 2)
    return f"layers.{module.replace('.', '/')}.{layer}.{kind}"
