"""A bundle is served once from staging, as a service would; a bundle that cannot be served is not published."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from kit.bundle.build import BuildPlan, build_bundle
from kit.bundle.store import Store
from kit.errors import GateFailed
from tests.kit.bundle.parts import TASK, THINGS, rewrite_tensors

Plans = Callable[..., BuildPlan]
ROOT = Path(__file__).parents[3]


class Where(BaseModel):
    thing: str = THINGS[0]


ASKED = {"keeper": Where()}
LIBRARY = {
    "lib/__init__.py": "",
    "lib/asking.py": "import json\nfrom pathlib import Path\n\n"
    "ASK = json.loads((Path(__file__).parent / 'words.json').read_text())['ask']\n"
    "END = (Path(__file__).parents[1] / 'texts' / 'end.txt').read_text()\n",
    "lib/words.json": json.dumps({"ask": "Where is the"}),
    "texts/end.txt": "?",
}


def project_of(root: Path, task: str, files: dict[str, str]) -> Path:
    for name, text in {"task.py": task, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_task_with_a_package_and_data_files_answers_from_its_bundle_alone(plans: Plans, tmp_path: Path) -> None:
    task = TASK.replace("from kit.metrics", "from .lib import asking\nfrom kit.metrics", 1)
    task = task.replace('f"Where is the {request.thing}?"', 'f"{asking.ASK} {request.thing}{asking.END}"')
    project, store = project_of(tmp_path / "project", task, LIBRARY), Store(tmp_path / "store")
    said: list[str] = []
    bundle = build_bundle(plans("adapter", project=project, requests=ASKED), store, said.append)
    travelled = {path.relative_to(bundle.task_folder).as_posix() for path in bundle.task_folder.rglob("*.*")}
    assert travelled == {"task.py", "recipe.json", *LIBRARY}
    assert any("fingerprints" in sentence for sentence in said)
    assert "Testing the bundle" in said[-1]
    shutil.rmtree(project)
    code = (
        "import sys; from pathlib import Path; from kit.bundle.store import Store\n"
        "task, = Store(Path(sys.argv[1])).get('latest').tasks()\n"
        "print(task.prompts(task.request_type(thing='kettle'))[0].messages[0].text)"
    )
    command = [sys.executable, "-c", code, str(store.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "Where is the kettle?"


def test_a_task_that_reads_a_file_outside_the_bundle_is_not_published(
    plans: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is in the project's folder; only an answer from the bundle shows that the bundle lacks it."""
    task = TASK.replace("return Place(words=completions[0].text)", "return Place(words=open('words.txt').read())")
    project, store = project_of(tmp_path / "project", task, {"words.txt": "Here."}), Store(tmp_path / "store")
    monkeypatch.chdir(project)
    with pytest.raises(GateFailed) as caught:
        build_bundle(plans("adapter", project=project, requests=ASKED), store)
    head, reason = caught.value.problems
    line = next(at for at, text in enumerate(task.splitlines(), start=1) if "words.txt" in text)
    assert head.what == "The bundle does not work as it would be served, so nothing was published."
    assert "kit train --resume" in head.next
    assert reason.where == f"{project}/task.py:{line}"
    assert reason.what.startswith("The task broke in Keeper.read: FileNotFoundError")
    assert store.list() == []
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_a_bundle_without_room_for_an_answer_is_not_published(plans: Plans, tmp_path: Path) -> None:
    plan = plans("adapter", requests={"keeper": Where(thing="kettle " * 60)})
    recipe = plan.recipe.model_copy(update={"serve": plan.recipe.serve.model_copy(update={"max_length": 64})})
    store = Store(tmp_path / "store")
    with pytest.raises(GateFailed, match=r"serve\.max_length"):
        build_bundle(plans("adapter", recipe=recipe, requests=plan.requests), store)
    assert store.list() == []


def test_a_model_that_cannot_be_loaded_from_its_files_publishes_nothing(
    plans: Plans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kit.bundle import build

    sealed = build._write_seal

    def damaged(plan: BuildPlan, folder: Path, *others: object) -> None:
        rewrite_tensors(folder / "adapter" / "adapter_model.safetensors", lambda _, tensor: tensor * 0.5)
        sealed(plan, folder, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(build, "_write_seal", damaged)
    store = Store(tmp_path / "store")
    with pytest.raises(GateFailed, match="The engine answers as neither"):
        build_bundle(plans("adapter", requests=ASKED), store)
    assert store.list() == []
