"""Loads a causal language model with transformers, and refuses one whose files have other tensors than the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from kit.base.soundness import refuse_unsound
from kit.base.tensors import difference, modules_of
from kit.errors import InputError

_BROKEN = (OSError, ValueError, RuntimeError, KeyError, ImportError, AttributeError, TypeError, SafetensorError,
           StrictDataclassError)  # fmt: skip


def load_causal(folder: Path, **settings: Any) -> Any:
    """Return the model of a folder, loaded with these settings of transformers and without a progress bar.

    Without these checks, a weight that the files lack would stay random, with only a line in a log. Raises
    InputError if the folder is not sound, cannot be loaded, or holds other tensors than the model.
    """
    refuse_unsound(folder)
    try:
        with _quiet():
            model, found = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, ignore_mismatched_sizes=True, **settings
            )
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"The model cannot be loaded: {reason}", str(folder)) from error
    other = {str(key[0] if isinstance(key, tuple) else key) for key in found["mismatched_keys"]}
    own = set(model.state_dict())
    held = (own - {*found["missing_keys"], *other}) | {*found["unexpected_keys"]}
    if problems := difference(own, held, modules_of(own), str(folder)):
        raise InputError(problems)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide transformers' own report: the kit refuses the same faults with a sentence."""
    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
