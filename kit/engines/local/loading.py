"""Loads weights with transformers, and adapters with peft."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError

from kit.adapters.attaching import refuse_part
from kit.adapters.format import HOOKED_KINDS, adapter_kind, check_adapter
from kit.adapters.hooked import Hooked, read_hooked
from kit.base.loading import load_causal
from kit.engines.admission import check_model
from kit.engines.base import EngineConfig
from kit.errors import InputError, KitError
from kit.system.machine import compute_type


def load_model(config: EngineConfig) -> Any:
    """Load a causal language model in evaluation mode, on a CUDA device if there is one.

    Raises InputError if transformers cannot load the folder, or the model is damaged.
    """
    check_model(config)
    model = load_causal(config.model, dtype=getattr(torch, config.dtype))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return model.to(device, getattr(torch, compute_type(config.compute, config.dtype, device))).eval()
    except RuntimeError as error:
        raise InputError(f"The model cannot be loaded: {error}", str(config.model)) from error


class Adapters:
    """A model and its adapters by name."""

    def __init__(self, model: Any, config: EngineConfig) -> None:
        self.model = model
        self._config = config
        self._inside: set[str] = set()  # in the model's modules, by peft
        self._hooked: dict[str, Hooked] = {}

    @property
    def names(self) -> set[str]:
        """Names of the adapters that are loaded."""
        return self._inside | set(self._hooked)

    def load(self, name: str, adapter: Path) -> None:
        """Attach an adapter, in the weights' own dtype.

        Raises InputError if it cannot be read, does not fit, or the name is taken.
        """
        if name in self.names:
            raise InputError(f"An adapter '{name}' is loaded already.", next="Unload it first, or take a new name.")
        kind = adapter_kind(adapter)
        if kind == "LORA":
            check_adapter(name, adapter, self._config.model, self._config.max_rank)
        try:
            if kind in HOOKED_KINDS:
                self._hooked[name] = read_hooked(adapter, self._plain)
                return
            self._attach(name, adapter)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(f"The adapter '{name}' cannot be attached: {error}", str(adapter)) from error
        self._inside.add(name)

    @property
    def _plain(self) -> Any:
        return self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model

    def _attach(self, name: str, adapter: Path) -> None:
        if isinstance(self.model, PeftModel):
            self.model.load_adapter(str(adapter), adapter_name=name, autocast_adapter_dtype=False)
        else:
            self.model = PeftModel.from_pretrained(
                self.model, str(adapter), adapter_name=name, autocast_adapter_dtype=False
            )
        refuse_part(self.model, name, adapter)
        self.model.eval()

    def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises KitError if it is not loaded.
        """
        if name not in self.names:
            raise KitError(f"No adapter '{name}' is loaded.")
        if self._hooked.pop(name, None) is not None:
            return
        self._inside.discard(name)
        self.model = self.model.unload() if not self._inside else self.model
        if self._inside:
            self.model.delete_adapter(name)

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Yield the model with one active adapter, or with none."""
        if name in self._inside:
            self.model.set_adapter(name)
            yield self.model
            return
        with ExitStack() as stack:
            if self._inside:
                stack.enter_context(self.model.disable_adapter())
            if name is not None:
                stack.enter_context(self._hooked[name].active(self._plain))
            yield self.model


class Live:
    """A model in training: used for one batch at a time, and left unchanged.

    Training wraps modules inside the model or hooks them, so that the model itself answers.
    """

    def __init__(self, model: Any) -> None:
        self._whole = model
        self.model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.names: set[str] = set()

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Yield the model in evaluation mode; afterwards every module is in its earlier mode."""
        del name
        training = [module for module in self._whole.modules() if module.training]
        self._whole.eval()
        try:
            yield self.model
        finally:
            for module in training:
                module.training = True
