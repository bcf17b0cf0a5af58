"""Stores bundles in content-addressed folders, with their attestations and the aliases that point to them.

`bundles/sha256/<digest>/` holds a bundle's files, never changed; `attestations/<digest>/*.json` is append-only;
`aliases/<name>.jsonl` has one line per move; the last one is current.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from kit.bundle.attestation import Attestation, attestation_json, make_attestation, read_attestation
from kit.bundle.manifest import BUILD_AGAIN, Entry, file_problems, manifest_digest
from kit.bundle.seal import Seal, read_seal
from kit.chat import Renderer
from kit.errors import InputError, Problem, Refused, nearest
from kit.recipe import Recipe
from kit.system.disk import append_line, sync_folder, sync_tree, whole_lines
from kit.system.files import write_atomically
from kit.system.locks import Lock, try_lock, wait_for_lock
from kit.task import Task
from kit.task.loader import load_tasks

LATEST = "latest"
RECIPE_FILE = "recipe.json"
_STAGING = ".staging-"
_SHORTEST_PREFIX = 4
_ALIAS = re.compile(r"[A-Za-z][\w.-]{0,63}")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk: its digest, its folder and its seal."""

    digest: str
    folder: Path
    seal: Seal

    @property
    def model_folder(self) -> Path:
        """Merged weights with their tokenizer (form "merged")."""
        return self.folder / "model"

    @property
    def adapter_folder(self) -> Path:
        """The adapter in peft's format (form "adapter")."""
        return self.folder / "adapter"

    @property
    def tokenizer_folder(self) -> Path:
        """Tokenizer, chat template and the configurations that name the end tokens."""
        return self.model_folder if self.seal.form == "merged" else self.folder / "tokenizer"

    @property
    def task_folder(self) -> Path:
        """The task's files and the resolved recipe."""
        return self.folder / "task"

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe; raises Refused if it is missing or not a recipe."""
        file = self.task_folder / RECIPE_FILE
        try:
            return Recipe.model_validate_json(file.read_bytes())
        except (OSError, ValueError):
            advice = BUILD_AGAIN
            raise Refused("The bundle's recipe is missing or cannot be read.", str(file), advice) from None

    def tasks(self) -> list[Task[Any, Any]]:
        """The bundle's tasks, in the recipe's order."""
        return load_tasks(self.task_folder, self.recipe)

    def renderer(self) -> Renderer:
        """The bundle's own renderer; raises Refused if its tokenizer is missing or broken."""
        try:
            return Renderer(self.tokenizer_folder, self.seal.template_args)
        except Exception as error:  # the tokenizer library raises nothing narrower for a file that it cannot use
            raise Refused(f"The bundle's tokenizer cannot be used. {error}", str(self.tokenizer_folder)) from None


@dataclass(frozen=True)
class AliasMove:
    """One move of an alias: the digest that it points to since `at` (UTC, ISO 8601).

    `override` is the operator's reason for a bundle whose gates did not all hold; empty if none was needed.
    `candidate` is the digest of a bundle on trial beside it, which answers `percent` of the clients' keys; with 0
    percent it answers copies that no client sees.
    """

    digest: str
    at: str
    override: str = ""
    candidate: str = ""
    percent: float = 0.0


class Store:
    """A folder of bundles, attestations and aliases. Several processes may use it at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bundles = root / "bundles" / "sha256"
        self._aliases = root / "aliases"

    # --- bundles ----------------------------------------------------------------------------------------------

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a scratch folder on the disk of the bundles; it is removed when the block ends.

        Scratch folders of killed processes are removed first: their locks ended with the processes. Raises
        InputError if the store cannot be written to.
        """
        try:
            folder, lock = self._new_staging()
        except OSError as error:
            advice = "A bundle is stored there: make it a folder that can be written to, or a link to one."
            what = f"The store of bundles cannot be written to: {error.strerror}."
            raise InputError(what, str(self._bundles), advice) from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                lock.release()
            with _locked(self.root):
                _remove_empty(self._bundles, self._bundles.parent)

    def _new_staging(self) -> tuple[Path, Lock | None]:
        with _locked(self.root):
            self._bundles.mkdir(parents=True, exist_ok=True)
            for place in (self.root, self._bundles):
                _sweep(place)
            folder = self._bundles / f"{_STAGING}{uuid.uuid4().hex}"
            folder.mkdir()
            return folder, try_lock(folder)

    def refuse_unwritable(self) -> None:
        """Write small files into the store, so that a failure shows before training instead of after it.

        Raises InputError if the store, its attestations or its aliases cannot be written to.
        """
        with self.staging() as folder:
            try:
                write_atomically(folder / "probe", "probe\n")
                for place in (self.root / "attestations", self._aliases):
                    place.mkdir(parents=True, exist_ok=True)
                    append_line(place / ".probe", b"probe")
                    (place / ".probe").unlink()
                    _remove_empty(place)
            except OSError as error:
                what = f"The store of bundles cannot be written to: {error.strerror}."
                raise InputError(what, str(error.filename or self.root), "Make it writable; then train.") from None

    def add(self, staging: Path) -> Bundle:
        """Move a finished folder, with its manifest, into the store, and point `latest` at it.

        The same digest twice is the same bundle. Raises Refused if the folder, or the store's copy of it, does not
        match its manifest.
        """
        _refuse_if(file_problems(staging))
        return self.publish(Bundle(manifest_digest(staging), staging, read_seal(staging)))

    def publish(self, staged: Bundle) -> Bundle:
        """Move a verified bundle into the store, and point `latest` at it."""
        staging, digest = staged.folder, staged.digest
        target = self._bundles / digest
        if target.exists():
            _refuse_if(file_problems(target))
        else:
            sync_tree(staging)
            self._bundles.mkdir(parents=True, exist_ok=True)
            staging.rename(target)
            sync_folder(self._bundles)
        self._move_alias(LATEST, digest)
        return self._open(digest)

    def get(self, ref: str) -> Bundle:
        """Return the bundle of a digest, a unique prefix of one (4 characters or more), an alias, or "latest".

        Raises InputError if none or more than one matches; names the nearest.
        """
        return self._open(self._resolve(ref))

    def list(self) -> Sequence[Bundle]:
        """Return all bundles whose seal can be read, the one added last at the end; `damaged` names the others."""
        added = {move.digest: index for index, move in enumerate(self._readable_moves(LATEST))}
        found = [self._try_open(digest) for digest in self._digests()]
        whole = [each for each in found if isinstance(each, Bundle)]
        return sorted(whole, key=lambda bundle: (added.get(bundle.digest, -1), bundle.digest))

    def damaged(self) -> Sequence[Problem]:
        """Return the problems of the bundles that cannot be listed."""
        found = [self._try_open(digest) for digest in self._digests()]
        return [problem for each in found if isinstance(each, Refused) for problem in each.problems]

    def _try_open(self, digest: str) -> Bundle | Refused:
        try:
            return self._open(digest)
        except Refused as error:
            return error

    def _open(self, digest: str) -> Bundle:
        folder = self._bundles / digest
        return Bundle(digest, folder, read_seal(folder))

    def _digests(self) -> Sequence[str]:
        """Digests of the bundles; other files in the folder are ignored."""
        places = self._bundles.iterdir() if self._bundles.is_dir() else ()
        return sorted(path.name for path in places if _DIGEST.fullmatch(path.name) and path.is_dir())

    def _require(self, digest: str) -> None:
        if digest not in self._digests():
            raise InputError(f"There is no bundle '{digest}'.", str(self.root), "Give the full digest.")

    def _resolve(self, ref: str) -> str:
        digests = self._digests()
        moves = self.history(ref) if _ALIAS.fullmatch(ref) else []
        if moves:
            if moves[-1].digest not in digests:
                what = f"'{ref}' points to {moves[-1].digest[:12]}, which is not in the store."
                raise InputError(what, str(self.root))
            return moves[-1].digest
        found = [digest for digest in digests if digest.startswith(ref)] if len(ref) >= _SHORTEST_PREFIX else []
        if len(found) == 1:
            return found[0]
        if found:
            short = ", ".join(digest[:16] for digest in found)
            raise InputError(f"'{ref}' is the start of several bundles: {short}.", str(self.root))
        raise InputError(f"There is no bundle '{ref}'.", str(self.root), self._advice(ref, digests))

    def _advice(self, ref: str, digests: Sequence[str]) -> str:
        if not digests:
            return "Make one with: kit train"
        names = sorted(path.stem for path in self._aliases.glob("*.jsonl"))
        if len(ref) < _SHORTEST_PREFIX and any(digest.startswith(ref) for digest in digests):
            return f"Give at least {_SHORTEST_PREFIX} characters of a digest."
        known = ", ".join([*names, *(digest[:12] for digest in digests)])
        return nearest(ref, [*names, *digests, *(digest[: len(ref)] for digest in digests)]) or f"Known: {known}."

    # --- attestations -----------------------------------------------------------------------------------------

    def attest(self, digest: str, kind: str, payload: Mapping[str, Any]) -> Attestation:
        """Store a result about a bundle; earlier attestations stay unchanged."""
        self._require(digest)
        folder = self.attestations_folder(digest)
        with _locked(folder):
            last = max((found.sequence for found in self.attestations(digest)), default=0)
            attestation = make_attestation(kind, digest, last + 1, _now(), payload)
            write_atomically(folder / attestation.file_name, attestation_json(attestation))
            sync_folder(folder)
        return attestation

    def attestations(self, digest: str) -> Sequence[Attestation]:
        """Return a bundle's attestations in order; altered ones have a fault."""
        files = sorted(self.attestations_folder(digest).glob("*.json"))
        return sorted((read_attestation(file, digest) for file in files), key=lambda found: found.sequence)

    def attestations_folder(self, digest: str) -> Path:
        """Return the folder of a bundle's attestations and of the signatures over them."""
        return self.root / "attestations" / digest

    # --- aliases ----------------------------------------------------------------------------------------------

    def alias(self, name: str, digest: str, override: str = "", candidate: str = "", percent: float = 0.0) -> None:
        """Point a name at a bundle of the store; the rest is as in `AliasMove`.

        Raises InputError for a name that is reserved or looks like a digest, and for a missing bundle.
        """
        if name == LATEST or _HEX.fullmatch(name) or not _ALIAS.fullmatch(name):
            advice = "Use letters, digits, '.', '_' and '-', with a letter first, such as 'production'."
            raise InputError(f"'{name}' cannot be the name of an alias.", next=advice)
        for each in filter(None, (digest, candidate)):
            self._require(each)
        self._move_alias(name, digest, override, candidate, percent)

    def aliases(self) -> Sequence[str]:
        """Return the names of all aliases, sorted."""
        files = self._aliases.glob("*.jsonl") if self._aliases.is_dir() else ()
        return sorted(file.stem for file in files if file.stem != LATEST and _ALIAS.fullmatch(file.stem))

    def history(self, name: str) -> Sequence[AliasMove]:
        """Return every move of an alias, the current one last; empty if there is no such alias.

        Skips earlier lines that cannot be read. Raises InputError if the last line cannot be read.
        """
        file = self._aliases / f"{name}.jsonl"
        lines = whole_lines(file)
        if lines and _move_of(lines[-1]) is None:
            what = "The alias cannot be read: its last line is not what the store writes."
            raise InputError(
                what,
                f"{file}:{len(lines)}",
                "Remove that line; the alias then points to the bundle of the line before.",
            )
        return self._readable_moves(name)

    def _readable_moves(self, name: str) -> Sequence[AliasMove]:
        moves = map(_move_of, whole_lines(self._aliases / f"{name}.jsonl"))
        return [move for move in moves if move is not None]

    def _move_alias(
        self, name: str, digest: str, override: str = "", candidate: str = "", percent: float = 0.0
    ) -> None:
        reason = {"override": override} if override else {}
        trial = {"candidate": candidate, "percent": percent} if candidate else {}
        line = json.dumps({"digest": digest, "at": _now(), **reason, **trial}, sort_keys=True)
        append_line(self._aliases / f"{name}.jsonl", line.encode())


def _move_of(line: bytes) -> AliasMove | None:
    """The move in a line; None if it cannot be read."""
    try:
        move = AliasMove(**json.loads(line))
    except (ValueError, TypeError):
        return None
    texts = (move.digest, move.at, move.candidate)
    whole = all(isinstance(text, str) for text in texts) and isinstance(move.percent, int | float)
    return move if whole else None


def weight_entries(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The manifest's entries that the seal's digest of the weights covers: weights and their configuration."""
    names = ("model/config.json", "adapter/adapter_config.json")
    return [entry for entry in entries if entry.path.endswith(".safetensors") or entry.path in names]


def task_entries(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The manifest's entries that the seal's digest of the task covers; the recipe has its own."""
    return [entry for entry in entries if entry.path.startswith("task/") and entry.path != f"task/{RECIPE_FILE}"]


def recipe_digest(entries: Sequence[Entry]) -> str:
    """The digest of the recipe's stored text (a later kit may know more settings); empty without one."""
    return next((entry.sha256 for entry in entries if entry.path == f"task/{RECIPE_FILE}"), "")


def _refuse_if(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems)


def _locked(folder: Path) -> Lock:
    """Lock a folder, and create it first if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    return wait_for_lock(folder)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _remove_empty(*folders: Path) -> None:
    """Remove empty folders, the inner one first; links are the user's own and stay."""
    for folder in folders:
        if not folder.is_symlink():
            with suppress(OSError):
                folder.rmdir()


def _sweep(root: Path) -> None:
    """Remove the scratch folders that no process has locked."""
    for leftover in root.glob(f"{_STAGING}*"):
        if (lock := try_lock(leftover)) is not None:
            shutil.rmtree(leftover, ignore_errors=True)
            lock.release()
