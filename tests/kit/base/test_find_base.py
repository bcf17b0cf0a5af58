"""Base models: nano by name, folders, and errors for missing ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kit.base import NANO, BaseNotHere, find_base, find_config
from kit.errors import InputError


def test_nano_ships_with_the_kit_and_its_files_stay_small() -> None:
    base = find_base("nano")
    assert base.folder == NANO
    sizes = [file.stat().st_size for file in base.weight_files()]
    assert max(sizes) < 16 * 2**20
    assert sum(sizes) < 24 * 2**20


def test_the_weights_digest_notices_one_flipped_bit(tmp_path: Path) -> None:
    copy = find_base(str(shutil.copytree(NANO, tmp_path / "copy")))
    assert copy.weights_digest() == find_base("nano").weights_digest()
    weights = copy.weight_files()[0]
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    assert copy.weights_digest() != find_base("nano").weights_digest()


@pytest.mark.parametrize("name", ["./nowhere", "nowhere", "a/b/c"])
def test_a_missing_base_is_reported(name: str) -> None:
    with pytest.raises(InputError, match="There is no base model"):
        find_base(name)


def test_a_hub_model_with_only_its_configuration_cached_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: str(tmp_path))
    assert find_config("some/base") == tmp_path
    with pytest.raises(BaseNotHere, match="its weights are not on this machine"):
        find_base("some/base", offline=True)


def test_a_hub_model_that_is_not_cached_is_reported_offline() -> None:
    with pytest.raises(InputError, match="could not be fetched"):
        find_base("nobody/nothing-at-all", offline=True)


def test_a_path_that_exists_in_the_project_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shutil.copytree(NANO, tmp_path / "models" / "plain").resolve()
    monkeypatch.chdir("/")
    for name in ("models/plain", "./models/plain", "models/../models/plain", str(folder)):
        assert find_base(name, root=tmp_path).folder == folder
        assert find_config(name, root=tmp_path) == folder
    assert find_base("models/plain", root=tmp_path).name == "models/plain"
    with pytest.raises(InputError, match="is a file"):
        find_base("models/plain/config.json", root=tmp_path)
