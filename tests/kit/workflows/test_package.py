"""`package` writes all that builds an image for one bundle, and the commands that build and run it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.base import NANO
from kit.bundle.store import Store
from kit.bundle.verify import verify_files
from kit.errors import InputError, Refused
from kit.workflows import Package, package, plan_package
from tests.serving.bundles import weightless_bundle

KIT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Shelf:
    """A project that holds a merged bundle and an adapter."""

    root: Path
    merged: str
    adapter: str


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    place = tmp_path_factory.mktemp("shelf")
    root = place / "project"
    digests = []
    for form in ("merged", "adapter"):
        bundle = weightless_bundle(place / form, form=form)
        shutil.copytree(bundle.folder, root / "bundles" / "sha256" / bundle.digest)
        Store(root).attest(bundle.digest, "note", {"says": form})
        digests.append(bundle.digest)
    (root / "recipe.yaml").write_text("name: shelf\nbase: {model: nano}\ntasks: [{use: 'task.py:Counter'}]\n")
    return Shelf(root, *digests)


def mounts(made: Package) -> list[str]:
    return [made.run[at + 1] for at, word in enumerate(made.run) if word == "--volume"]


def test_a_context_has_what_the_dockerfile_copies_and_the_one_bundle(shelf: Shelf, tmp_path: Path) -> None:
    made = package(shelf.root, shelf.merged[:12], out=tmp_path / "out", expose_preview=True)
    assert (made.bundle, made.path) == (shelf.merged, tmp_path / "out")
    copied = [line for line in (made.path / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    sources = [word for line in copied if "--from" not in line for word in line.split()[1:-1]]
    assert len(sources) > 8
    assert [source for source in sources if not (made.path / source).exists()] == []
    assert (made.path / "Dockerfile").read_text() == (KIT / "Dockerfile").read_text()
    assert not list(made.path.glob("kit/**/__pycache__"))
    store = Store(made.path / "project")
    assert [each.digest for each in store.list()] == [shelf.merged]
    verify_files(store.get("latest"))
    assert [each.kind for each in store.attestations(shelf.merged)] == ["note"]


def test_the_command_runs_read_only_as_the_user_of_the_image(shelf: Shelf, tmp_path: Path) -> None:
    made = plan_package(shelf.root, shelf.merged, out=tmp_path / "out", target="cuda", expose_preview=True)
    assert not made.path.exists()
    assert made.build == ("docker", "build", "--target", "cuda", "--tag", made.build[-2], str(tmp_path / "out"))
    assert {"--read-only", "--init", "no-new-privileges", "10001:10001", "--gpus"} < set(made.run)
    assert "USER 10001:10001" in (KIT / "Dockerfile").read_text()
    assert mounts(made) == ["domainkit-cache:/cache", f"{made.path}/project:/bundles:ro"]
    served = made.run[made.run.index(made.build[-2]) + 1 :]
    assert served == (shelf.merged, "--host", "0.0.0.0", "--expose-without-keys", "--expose-preview")
    assert "127.0.0.1:8000:8000" in made.run


def test_a_baked_bundle_is_in_the_image_and_not_mounted(shelf: Shelf, tmp_path: Path) -> None:
    made = package(shelf.root, shelf.merged, out=tmp_path / "out", baked=True, expose_preview=True)
    assert (made.path / "Dockerfile").read_text().endswith("FROM cpu AS baked\nCOPY project /bundles\n")
    assert made.build[3] == "baked"
    assert mounts(made) == ["domainkit-cache:/cache"]


def test_the_base_of_an_adapter_goes_with_it_unless_it_is_in_the_kit(shelf: Shelf, tmp_path: Path) -> None:
    inside = plan_package(shelf.root, shelf.adapter, out=tmp_path / "out", expose_preview=True)
    assert "--base" not in inside.run
    base = Path(shutil.copytree(NANO, tmp_path / "base"))
    given = plan_package(shelf.root, shelf.adapter, out=tmp_path / "out", base=base, expose_preview=True)
    assert f"{base}:/base:ro" in mounts(given)
    assert given.run[given.run.index("--base") + 1] == "/base"
    baked = package(shelf.root, shelf.adapter, out=tmp_path / "out", base=base, baked=True, expose_preview=True)
    assert baked.run[baked.run.index("--base") + 1] == "/bundles/base"
    assert (baked.path / "project" / "base" / "config.json").read_bytes() == (base / "config.json").read_bytes()


def test_a_base_of_links_is_mounted_with_the_files_that_they_lead_to(shelf: Shelf, tmp_path: Path) -> None:
    files = Path(shutil.copytree(NANO, tmp_path / "cache" / "files"))
    base = tmp_path / "cache" / "snapshots" / "first"
    base.mkdir(parents=True)
    for file in files.iterdir():
        (base / file.name).symlink_to(Path("../../files") / file.name)
    made = plan_package(shelf.root, shelf.adapter, out=tmp_path / "out", base=base, expose_preview=True)
    assert f"{tmp_path}/cache:/base:ro" in mounts(made)
    assert made.run[made.run.index("--base") + 1] == "/base/snapshots/first"


def test_what_exists_is_not_overwritten(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="not overwritten"):
        package(shelf.root, shelf.merged, out=tmp_path / "out", expose_preview=True)
    with pytest.raises(InputError, match="does not exist"):
        package(shelf.root, shelf.merged, out=tmp_path / "missing" / "out", expose_preview=True)


def test_a_preview_is_refused_because_other_machines_reach_a_container(shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is a preview"):
        package(shelf.root, shelf.merged, out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_changed_bundle_is_refused(shelf: Shelf, tmp_path: Path) -> None:
    root = Path(shutil.copytree(shelf.root, tmp_path / "project"))
    with (root / "bundles" / "sha256" / shelf.merged / "task" / "task.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(Refused):
        package(root, shelf.merged, out=tmp_path / "out", expose_preview=True)
    assert not (tmp_path / "out").exists()
