"""Loads weights with transformers, and adapters with peft."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM
from transformers.utils.logging import disable_progress_bar

from kit.engines.adapters import check_adapter
from kit.engines.admission import check_model
from kit.engines.base import EngineConfig
from kit.errors import InputError, KitError
from kit.machine import compute_type


def load_model(config: EngineConfig) -> Any:
    """Load a causal language model in evaluation mode, on a CUDA device where there is one.

    Raises InputError where the folder holds no model that transformers can load.
    """
    check_model(config)
    disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            config.model, dtype=getattr(torch, config.dtype), local_files_only=True
        )
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return model.to(device, getattr(torch, compute_type(config.compute, config.dtype, device))).eval()
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        raise InputError(f"The model cannot be loaded: {error}", str(config.model)) from error


class Adapters:
    """A model, and the adapters beside it by name."""

    def __init__(self, model: Any, config: EngineConfig) -> None:
        self.model = model
        self.names: set[str] = set()
        self._config = config

    def load(self, name: str, adapter: Path) -> None:
        """Attach an adapter, in the weights' own dtype.

        Raises InputError where it cannot be read, does not fit, or the name is taken.
        """
        if name in self.names:
            raise InputError(f"An adapter '{name}' is loaded already.", next="Unload it first, or take a new name.")
        check_adapter(name, adapter, self._config.model, self._config.max_rank)
        try:
            self._attach(name, adapter)
        except (OSError, ValueError, RuntimeError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(f"The adapter '{name}' cannot be attached: {error}", str(adapter)) from error
        self.names.add(name)

    def _attach(self, name: str, adapter: Path) -> None:
        if isinstance(self.model, PeftModel):
            self.model.load_adapter(str(adapter), adapter_name=name, autocast_adapter_dtype=False)
        else:
            self.model = PeftModel.from_pretrained(
                self.model, str(adapter), adapter_name=name, autocast_adapter_dtype=False
            )
        self.model.eval()

    def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises KitError where it is not loaded.
        """
        if name not in self.names:
            raise KitError(f"No adapter '{name}' is loaded.")
        self.names.discard(name)
        self.model = self.model.unload() if not self.names else self.model
        if self.names:
            self.model.delete_adapter(name)

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Yield the model with one adapter at work, or with none."""
        if name is not None:
            self.model.set_adapter(name)
            yield self.model
        elif self.names:
            with self.model.disable_adapter():
                yield self.model
        else:
            yield self.model


class Live:
    """A model that somebody is training: taken as it stands, lent for a batch at a time, and given back as it was."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.names: set[str] = set()

    @contextmanager
    def active(self, name: str | None) -> Iterator[Any]:
        """Yield the model in evaluation mode; afterwards every module is in the mode in which it was."""
        del name
        training = [module for module in self.model.modules() if module.training]
        self.model.eval()
        try:
            yield self.model
        finally:
            for module in training:
                module.training = True
