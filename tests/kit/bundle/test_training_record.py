"""A bundle's record of its examples: part of the seal, and optional in older bundles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.bundle.build import BuildPlan, build_bundle
from kit.bundle.manifest import canonical_json
from kit.bundle.seal import SEAL_FILE, read_seal
from kit.bundle.store import Bundle, Store
from kit.bundle.training_record import TRAINED_FILE, TrainedRecord, TrainedTask, read_trained
from kit.bundle.verify import verify_files
from kit.errors import Refused
from tests.kit.bundle.parts import copy_of, manifest_again

RECORD = TrainedRecord(tasks={"keeper": TrainedTask(requests=["0" * 16], groups=["f" * 16], labels={"shed": 3})})


@pytest.fixture(scope="module")
def recorded(plans: Callable[..., BuildPlan], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(plans("adapter", record=RECORD), Store(tmp_path_factory.mktemp("recorded")))


def test_a_record_is_read_back_from_the_bundle_and_passes_every_check(recorded: Bundle) -> None:
    assert read_trained(recorded.folder) == RECORD
    verify_files(recorded)


def test_a_record_that_was_changed_is_refused_though_the_manifest_is_written_over_it(
    recorded: Bundle, tmp_path: Path
) -> None:
    bundle = copy_of(recorded, tmp_path)
    (bundle.folder / TRAINED_FILE).write_text(TrainedRecord(tasks={}).model_dump_json())
    with pytest.raises(Refused, match="The record of the examples is not what was sealed"):
        verify_files(manifest_again(bundle))


def test_a_missing_record_is_refused(recorded: Bundle, tmp_path: Path) -> None:
    bundle = copy_of(recorded, tmp_path)
    (bundle.folder / TRAINED_FILE).unlink()
    with pytest.raises(Refused, match="The record of the examples is not what was sealed"):
        verify_files(manifest_again(bundle))


def test_a_record_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRAINED_FILE).write_text("{}")
    with pytest.raises(Refused, match="The record of the training examples cannot be read"):
        read_trained(tmp_path)


def test_bundles_built_before_the_record_existed_still_pass(bundle: Bundle) -> None:
    seal = json.loads((bundle.folder / SEAL_FILE).read_text())
    del seal["digests"]["examples"]
    (bundle.folder / SEAL_FILE).write_bytes(canonical_json(seal))
    old = manifest_again(bundle)
    verify_files(old)
    assert read_seal(old.folder).digests.examples == ""
    assert read_trained(old.folder) is None
