"""Checks that a bundle and its engine are the ones that were tested. Nothing here loads torch.

Every check returns if it holds, and raises Refused with the likely cause if it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kit.base import Base
from kit.bundle.fingerprint import mean_gap, tolerance
from kit.bundle.manifest import BUILD_AGAIN, entries_digest, file_problems, manifest_digest, read_manifest
from kit.bundle.seal import Fingerprint, Seal
from kit.bundle.store import RECIPE_FILE, Bundle, recipe_digest, task_entries, weight_entries
from kit.bundle.training_record import TRAINED_FILE, examples_digest
from kit.chat import Renderer
from kit.engines.base import Engine
from kit.errors import KitError, Problem, Refused
from kit.system.files import file_digest
from kit.system.hashes import Digest
from kit.task import Message


@dataclass(frozen=True)
class FingerprintCheck:
    """Mean absolute gaps, in natural-log probability per token, of an engine's answers to the sealed ones."""

    distance_to_tuned: float
    distance_to_base: float
    tolerance: float


def verify_files(bundle: Bundle, digest: Digest = file_digest) -> None:
    """Hash every file: against the manifest, the manifest against the bundle's digest, and all against the seal.

    `digest` hashes a file.
    """
    problems = file_problems(bundle.folder, digest)
    if manifest_digest(bundle.folder) != bundle.digest:
        what = "The manifest does not have the digest that the bundle is named after."
        problems.append(Problem(what, str(bundle.folder), BUILD_AGAIN))
    _refuse(problems or _seal_problems(bundle))


def verify_renders(bundle: Bundle, renderer: Renderer) -> None:
    """Compare tokenizer files, stop ids and every golden dialogue (text and token ids) with the seal."""
    seal = bundle.seal
    hashes = {
        name: file_digest(renderer.folder / name) for name in seal.tokenizer if (renderer.folder / name).is_file()
    }
    problems = _tokenizer_problems(seal, renderer.folder, hashes)
    try:
        problems += [*_stop_problems(seal, renderer), *_golden_problems(seal, renderer)]
    except (KitError, ValueError, KeyError) as error:
        problems.append(Problem(f"The golden dialogues cannot be rendered. {error}", str(renderer.folder), BUILD_AGAIN))
    _refuse(problems)


def verify_base(bundle: Bundle, base: Base, digest: Digest = file_digest) -> None:
    """Compare the base's weights with those that the bundle was trained on, for either form of bundle."""
    sealed = bundle.seal.base
    if base.weights_digest(digest) != sealed.weights_digest:
        revision = f" at revision {sealed.revision}" if sealed.revision else ""
        what = "These are not the base weights that the bundle was trained on."
        advice = f"The bundle needs {sealed.model}{revision}; give the folder that has it: --base PATH"
        raise Refused(what, str(base.folder), advice)


async def verify_fingerprints(seal: Seal, engine: Engine, adapter: str | None) -> FingerprintCheck:
    """Compare the engine's log-probabilities of the sealed tokens with those of the tuned model."""
    if not seal.fingerprints:
        raise Refused("The seal has no fingerprints, so it cannot be checked which model answers.", next=BUILD_AGAIN)
    answered = [await _answers(engine, fingerprint, adapter) for fingerprint in seal.fingerprints]
    check = FingerprintCheck(
        distance_to_tuned=mean_gap(answered, [fingerprint.tuned for fingerprint in seal.fingerprints]),
        distance_to_base=mean_gap(answered, [fingerprint.base for fingerprint in seal.fingerprints]),
        tolerance=tolerance(seal.noise, seal.fingerprints),
    )
    # `not <=` also refuses a distance that is not a number.
    if not check.distance_to_tuned <= check.tolerance:
        raise Refused(_cause(check), next=_figures(check))
    return check


async def _answers(engine: Engine, fingerprint: Fingerprint, adapter: str | None) -> list[float]:
    scores = await engine.score(fingerprint.ids, adapter)
    return [scores[position - 1] for position in fingerprint.positions]


def _seal_problems(bundle: Bundle) -> list[Problem]:
    """Compare the files with the seal; the manifest, which was checked just before, has their hashes."""
    entries, sealed = read_manifest(bundle.folder), bundle.seal.digests
    place = bundle.tokenizer_folder
    prefix = f"{place.relative_to(bundle.folder).as_posix()}/"
    hashes = {entry.path.removeprefix(prefix): entry.sha256 for entry in entries if entry.path.startswith(prefix)}
    checks = [
        ("The weights are", bundle.folder, entries_digest(weight_entries(entries)) == sealed.weights),
        ("The task is", bundle.task_folder, entries_digest(task_entries(entries)) == sealed.task),
        ("The recipe is", bundle.task_folder / RECIPE_FILE, recipe_digest(entries) == sealed.recipe),
        ("The record of the examples is", bundle.folder / TRAINED_FILE, examples_digest(entries) == sealed.examples),
    ]
    other = [
        Problem(f"{what} not what was sealed.", str(where), BUILD_AGAIN) for what, where, same in checks if not same
    ]
    return [*_tokenizer_problems(bundle.seal, place, hashes), *other]


def _tokenizer_problems(seal: Seal, folder: Path, hashes: Mapping[str, str]) -> list[Problem]:
    """Compare the hashes of a folder's files with the sealed ones."""
    missing, changed = "This tokenizer file is missing.", "This is not the tokenizer file that was sealed."
    return [
        Problem(changed if name in hashes else missing, str(folder / name), BUILD_AGAIN)
        for name, sealed in sorted(seal.tokenizer.items())
        if hashes.get(name) != sealed
    ]


def _stop_problems(seal: Seal, renderer: Renderer) -> list[Problem]:
    if list(renderer.stop_ids) == seal.stop_ids:
        return []
    what = f"The tokens that end an answer are {list(renderer.stop_ids)}; sealed are {seal.stop_ids}."
    return [Problem(what, str(renderer.folder), BUILD_AGAIN)]


def _golden_problems(seal: Seal, renderer: Renderer) -> list[Problem]:
    problems = []
    for number, golden in enumerate(seal.golden, start=1):
        messages = [Message.of(turn.role, turn.text) for turn in golden.turns]
        character = _first_difference(renderer.text(messages, golden.generation), golden.text)
        token = _first_difference(renderer.dialogue(messages, golden.generation), golden.ids)
        if character is not None or token is not None:
            place = f"character {character}" if character is not None else f"token {token}"
            what = f"Golden dialogue {number} of {len(seal.golden)} does not render as sealed; it differs at {place}."
            problems.append(Problem(what, str(renderer.folder), BUILD_AGAIN))
    return problems


def _first_difference(left: Sequence[object], right: Sequence[object]) -> int | None:
    """Index of the first element that differs, counted from 0; None if the two are equal."""
    for index, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if ours != theirs:
            return index
    return None if len(left) == len(right) else min(len(left), len(right))


def _cause(check: FingerprintCheck) -> str:
    tuned, base = check.distance_to_tuned, check.distance_to_base
    if not math.isfinite(tuned):
        return "The engine answers with log-probabilities that are not numbers: its weights are damaged."
    if base <= check.tolerance:
        return "The engine answers as the base model does: the adapter is zero, ignored or absent."
    return "The engine answers as neither the tuned nor the base model: another adapter, a part of it, or another base."


def _figures(check: FingerprintCheck) -> str:
    return (
        f"Mean gap to the tuned model {check.distance_to_tuned:.3f}, to the base {check.distance_to_base:.3f}; "
        f"allowed {check.tolerance:.3f} from the tuned one."
    )


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise Refused(problems)
