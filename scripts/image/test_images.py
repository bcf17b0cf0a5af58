"""The container images, built and run for real: `make test-image`. Needs root, buildah, debootstrap and util-linux."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from bench.shared.services import train_bundles
from kit.workflows import new, package
from scripts.image.building import ROOT, Image, build, buildah, make_base, root_of
from scripts.image.container import Container, started

COMPILER = re.compile(
    r"(x86_64-linux-gnu-)?(as|c\+\+|c89|c99|cc|clang|clang\+\+|cpp|g\+\+|gcc|ld|nvcc|ptxas|rustc)(-[\d.]+)?"
)
TEXT = "This Agreement is governed by the laws of the State of Delaware. Either party may end it with 30 days' notice."
VERIFY = """
from pathlib import Path
from kit.bundle.store import Store
from kit.bundle.verify import verify_files
bundle = Store(Path.cwd()).get("latest")
verify_files(bundle)
print(bundle.digest)
"""


@dataclass(frozen=True)
class Served:
    """A build context that `kit package` wrote: its folder, the bundle, and the words that the container gets."""

    folder: Path
    bundle: str
    words: Sequence[str]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "legal"
    new("legal", folder)
    train_bundles(folder, ["adapter"])
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    name = make_base(tmp_path_factory.mktemp("base"), "localhost/domainkit-test-base")
    yield name
    buildah("rmi", "--force", name)


@pytest.fixture(scope="module")
def cpu(base: str) -> Iterator[Image]:
    yield build(ROOT, "cpu", base, "localhost/domainkit-test:cpu")
    buildah("rmi", "--force", "localhost/domainkit-test:cpu")


@pytest.fixture(scope="module")
def slim(base: str, project: Path) -> Iterator[Image]:
    """The slim image with a bundle in it, built from the context that a project made."""
    made = package(project, target="slim", baked=True, expose_preview=True, out=project / "slim")
    yield build(made.path, "baked", base, "localhost/domainkit-test:slim")
    buildah("rmi", "--force", "localhost/domainkit-test:slim")


@pytest.fixture(scope="module")
def context(project: Path) -> Served:
    made = package(project, target="cpu", expose_preview=True, out=project / "cpu")
    return Served(made.path / "project", made.bundle, made.run[made.run.index(made.build[-2]) + 1 :])


@contextmanager
def service(image: Image, context: Served, cache: Path) -> Iterator[tuple[Container, str]]:
    """Serve as `kit package` says, on a free port; give the container and the service's address."""
    words = [*context.words, "--port", "0", "--json"]
    with (
        root_of(image) as root,
        started(image, root, {context.folder: "/bundles"}, {cache: "/cache"}, words) as running,
    ):
        assert running.process.stdout is not None
        ready = json.loads(next(line for line in running.process.stdout if line.startswith("{")))
        yield running, ready["url"].replace("0.0.0.0", "127.0.0.1")


@pytest.fixture(scope="module")
def running(cpu: Image, context: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, str]]:
    with service(cpu, context, tmp_path_factory.mktemp("cache")) as found:
        yield found


def output_of(image: Image, cache: Path, *words: str) -> str:
    """Run a command in place of the image's entry point; return what it prints."""
    with (
        root_of(image) as root,
        started(replace(image, entrypoint=words), root, {}, {cache: "/cache"}, ()) as container,
    ):
        return container.process.communicate()[0]


@pytest.mark.parametrize("name", ["cpu", "slim"])
def test_an_image_holds_no_compiler_no_pip_cache_and_no_test(name: str, request: pytest.FixtureRequest) -> None:
    image: Image = request.getfixturevalue(name)
    with root_of(image) as root:
        files = [Path(folder, file).relative_to(root) for folder, _, names in os.walk(root) for file in names]
    assert len(files) > 1000
    assert [file for file in files if COMPILER.fullmatch(file.name)] == []
    assert [file for file in files if file.parts[:2] in {("root", ".cache"), ("cache", "pip")}] == []
    ours = [file for file in files if file.parts[:2] == ("opt", "domainkit")]
    assert any(file.name == "health.py" for file in ours)
    assert [file for file in ours if "tests" in file.parts or file.name.startswith("pip-")] == []
    assert [file for file in files if "wheels" in file.parts[:1] or file.parts[:1] in {("source",), ("pip",)}] == []


@pytest.mark.parametrize("name", ["cpu", "slim"])
def test_an_image_runs_as_a_numeric_user_and_says_how_it_is_stopped_and_asked(
    name: str, request: pytest.FixtureRequest
) -> None:
    image: Image = request.getfixturevalue(name)
    assert all(part.isdigit() and int(part) > 0 for part in image.user.split(":"))
    assert (image.entrypoint, image.stop_signal) == (("kit", "serve"), "SIGTERM")
    assert image.health == ("CMD", "python", "-m", "kit.system.health")


def test_the_slim_image_runs_the_kit_and_the_service_without_torch(slim: Image, tmp_path: Path) -> None:
    assert output_of(slim, tmp_path, "kit", "--help").startswith("Usage: kit")
    probe = "import serving.app, importlib.util as u; print([name for name in ('torch', 'vllm') if u.find_spec(name)])"
    assert output_of(slim, tmp_path, "python", "-c", probe) == "[]\n"


def test_a_baked_bundle_is_whole(slim: Image, context: Served, tmp_path: Path) -> None:
    assert output_of(slim, tmp_path, "python", "-c", VERIFY) == f"{context.bundle}\n"


def test_a_container_answers_a_typed_request_as_the_bundle_that_was_measured(
    running: tuple[Container, str], context: Served
) -> None:
    _, url = running
    assert httpx.get(f"{url}/readyz").json()["models"][0]["bundle"] == context.bundle
    answer = httpx.post(f"{url}/v1/legal/clauses", json={"text": TEXT}, timeout=120)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-domainkit-bundle"] == context.bundle
    assert all(TEXT[clause["start"] : clause["end"]] == clause["exact"] for clause in answer.json()["clauses"])


def test_the_check_of_its_health_tells_a_ready_service_from_none(running: tuple[Container, str]) -> None:
    container, url = running
    check = container.image.health[1:]
    assert container.run(*check, DOMAINKIT_PORT=url.rsplit(":", 1)[1]).returncode == 0
    silent = container.run(*check, DOMAINKIT_PORT="1")
    assert silent.returncode == 1
    assert "There is no answer" in silent.stderr


def test_only_the_volumes_can_be_written_and_the_user_has_no_rights(running: tuple[Container, str]) -> None:
    container, _ = running
    for place in ("/", "/bundles", "/opt/domainkit", "/etc"):
        assert "Read-only file system" in container.run("touch", f"{place}/file").stderr, place
    for place in ("/cache", "/tmp"):
        assert container.run("touch", f"{place}/file").returncode == 0, place
    status = container.run("cat", "/proc/1/status").stdout
    lines = dict(line.split(":\t", 1) for line in status.splitlines())
    assert lines["Uid"].split() == ["10001"] * 4
    assert (lines["NoNewPrivs"], int(lines["CapEff"], 16), int(lines["CapBnd"], 16)) == ("1", 0, 0)


def test_a_running_answer_is_finished_after_sigterm(cpu: Image, context: Served, tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": TEXT}], "stream": True, "max_tokens": 200}
    with service(cpu, context, tmp_path) as (container, url):
        with httpx.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=120) as answer:
            lines = (line for line in answer.iter_lines() if line)
            first = next(lines)
            os.kill(container.pid, signal.SIGTERM)
            rest = list(lines)
        assert container.process.wait(60) == 128 + signal.SIGTERM
    assert first.startswith("data: ")
    assert rest[-1] == "data: [DONE]"
    assert '"finish_reason":"stop"' in rest[-2] or '"finish_reason":"length"' in rest[-2]
