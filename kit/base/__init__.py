"""Base models: where their files are, and the one that ships with the kit.

This package root imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.errors import InputError

NANO = Path(__file__).parent / "nano"
_WANTED = ("*.json", "*.safetensors", "*.jinja")


class BaseNotHere(InputError):
    """The base model is not on this machine, and could not be fetched or was not to be."""


@dataclass(frozen=True)
class Base:
    """A base model on disk: its name as the recipe gave it, its revision, and its folder."""

    name: str
    revision: str | None
    folder: Path

    def weight_files(self) -> list[Path]:
        """The safetensors files, sorted.

        Raises InputError where there are none.
        """
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise InputError("The base model has no safetensors weights.", str(self.folder))
        return files

    def weights_digest(self) -> str:
        """SHA-256 over the names and contents of the configuration and the weights."""
        digest = hashlib.sha256()
        for file in [self.folder / "config.json", *self.weight_files()]:
            with file.open("rb") as stream:
                digest.update(f"{file.name}\0{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()


def find_base(model: str, revision: str | None = None, offline: bool = False) -> Base:
    """Return the base model's files: `nano`, a local folder, or a Hugging Face id (downloaded once, then cached).

    Raises InputError for a name that cannot be one, and BaseNotHere where it is not to be had; with `offline`, nothing
    is downloaded.
    """
    if model == "nano":
        return Base("nano", None, NANO)
    folder = Path(model).expanduser()
    if folder.is_dir():
        return Base(model, None, folder.resolve())
    _refuse_name(model)
    base = Base(model, revision, _from_hub(model, revision, offline))
    if offline and not any(base.folder.glob("*.safetensors")):  # only its configuration was ever fetched
        raise BaseNotHere(f"The base model '{model}' could not be had: its weights are not here.")
    return base


def find_config(model: str, revision: str | None = None) -> Path:
    """Return a folder with the base model's `config.json`, and fetch no more than that. Raises as `find_base` does."""
    if model == "nano" or Path(model).expanduser().is_dir():
        return find_base(model, revision).folder
    _refuse_name(model)
    return _from_hub(model, revision, offline=False, wanted=("config.json",))


def _refuse_name(model: str) -> None:
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        advice = "Give 'nano', a folder, or an id such as Qwen/Qwen3-0.6B."
        raise InputError(f"There is no base model '{model}'.", next=advice)


def _from_hub(model: str, revision: str | None, offline: bool, wanted: Sequence[str] = _WANTED) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(wanted), local_files_only=offline))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        advice = "Check the name and the network, or try the smoke profile, whose base ships with the kit."
        raise BaseNotHere(f"The base model '{model}' could not be had: {type(error).__name__}.", next=advice) from error
