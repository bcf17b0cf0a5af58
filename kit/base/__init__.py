"""Finds the files of base models; one base ships with the kit.

This package root imports nothing heavy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kit.errors import InputError
from kit.system.files import file_digest
from kit.system.hashes import Digest

NANO = Path(__file__).parent / "nano"
_AT_ONCE = 4  # files that are hashed at the same time
_WANTED = ("*.json", "*.safetensors", "*.jinja")


class BaseNotHere(InputError):
    """The base model is not on this machine, and was not fetched."""


@dataclass(frozen=True)
class Base:
    """A base model on disk: its name as the recipe gave it, its revision, and its folder."""

    name: str
    revision: str | None
    folder: Path

    def weight_files(self) -> list[Path]:
        """The safetensors files, sorted.

        Raises InputError if there are none.
        """
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise InputError("The base model has no safetensors weights.", str(self.folder))
        return files

    def weights_digest(self, digest: Digest = file_digest) -> str:
        """SHA-256 over the names and contents of the configuration and the weights; `digest` hashes a file.

        Raises InputError if one of them is missing.
        """
        if not (self.folder / "config.json").is_file():
            raise InputError("There is no config.json.", str(self.folder), "Give the folder of a whole model.")
        files = [self.folder / "config.json", *self.weight_files()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            hashes = list(pool.map(digest, files))
        lines = [f"{file.name}\0{each}\n" for file, each in zip(files, hashes, strict=True)]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def find_base(model: str, revision: str | None = None, offline: bool = False, root: Path | None = None) -> Base:
    """Return the base model's files: `nano`, a folder, or a Hugging Face id (downloaded once, then cached).

    A path that exists is used whatever its form; a relative path starts at `root`, a project's folder, or at the
    current folder. Raises InputError for an invalid name, and BaseNotHere if the model cannot be found;
    with `offline`, nothing is downloaded.
    """
    if model == "nano":
        return Base("nano", None, NANO)
    if folder := _local(model, root):
        return Base(model, None, folder)
    base = Base(model, revision, _from_hub(model, revision, offline))
    if offline and not any(base.folder.glob("*.safetensors")):  # only its configuration was ever fetched
        raise BaseNotHere(f"The base model '{model}' could not be found: its weights are not on this machine.")
    return base


def find_config(model: str, revision: str | None = None, root: Path | None = None) -> Path:
    """Return a folder with the base model's `config.json`; download nothing else. Raises as `find_base` does."""
    if model == "nano":
        return NANO
    return _local(model, root) or _from_hub(model, revision, offline=False, wanted=("config.json",))


def _local(model: str, root: Path | None) -> Path | None:
    """Return a name's folder if it is a path; None if it is an id. Raises InputError if it is neither."""
    place = ((root or Path()) / Path(model).expanduser()).resolve()
    if place.is_dir():
        return place
    if place.exists():
        raise InputError(f"The base model '{model}' is a file.", str(place), "Give the folder that it is in.")
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        what = f"There is no base model '{model}'."
        raise InputError(what, str(place), "Give 'nano', a folder, or an id such as Qwen/Qwen3-0.6B.")
    return None


def _from_hub(model: str, revision: str | None, offline: bool, wanted: Sequence[str] = _WANTED) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(wanted), local_files_only=offline))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        advice = (
            "There is no such folder. Check the name and the network, or use base.model: nano, which is in the kit."
        )
        what = f"The base model '{model}' could not be fetched: {type(error).__name__}."
        raise BaseNotHere(what, next=advice) from error
