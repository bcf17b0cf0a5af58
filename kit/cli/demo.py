"""`kit demo`: the whole loop on a template's smoke profile, each step a command that a user would type."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kit.cli.output import Output, kit_command
from kit.errors import KitError

_PROFILE = "smoke"
_READY_SECONDS = 240.0
_STOP_SECONDS = 60.0


@kit_command("demo", "kit demo legal")
@click.argument("template", default="legal")
@click.option("--into", type=click.Path(path_type=Path), help="Folder of the project; default: a new one here.")
@click.option("--engine", type=click.Choice(["auto", "vllm", "local"]), default="auto", help="What serves.")
@click.option("--dry-run", is_flag=True, help="Print the commands, and run none.")
def command(output: Output, template: str, into: Path | None, engine: str, dry_run: bool) -> None:
    """Make a project, check it, train it, measure it, and serve it; keep the bundle and stop what was started."""
    project = (into or _free_folder(template)).absolute()
    if dry_run:
        steps = [["kit", *words] for words in (_new(template, project), *_steps(), _serve(engine))]
        output.result({"commands": steps}, "\n".join(shlex.join(step) for step in steps))
        return
    began = time.monotonic()
    _run(output, _new(template, project), project.parent)
    for words in _steps():
        _run(output, words, project)
    with _serving(output, project, engine) as ready:
        url, request = _unseen_request(project, ready["url"])
        response = _post(url, request)
    _tell(output, project, ready, request, response, time.monotonic() - began)


def _new(template: str, project: Path) -> list[str]:
    return ["new", template, os.path.relpath(project)]


def _steps() -> list[list[str]]:
    return [["check", "--profile", _PROFILE], ["train", "--profile", _PROFILE], ["eval"]]


def _serve(engine: str) -> list[str]:
    return ["serve", "--port", "0", *(["--engine", engine] if engine != "auto" else [])]


def _free_folder(template: str) -> Path:
    """Return the first folder of the names demo-legal, demo-legal-2, … that is not there yet."""
    names = (f"demo-{template}{'' if number == 1 else f'-{number}'}" for number in range(1, 1000))
    return next(Path(name) for name in names if not Path(name).exists())


def _run(output: Output, words: Sequence[str], folder: Path) -> None:
    """Run one command as the user would; its results go where our chatter goes, so that stdout stays ours."""
    output.say(f"\n$ kit {shlex.join(words)}")
    done = subprocess.run([sys.executable, "-m", "kit", *words], cwd=folder, stdout=sys.stderr, check=False)
    if done.returncode:
        error = KitError(f"The demo stopped: kit {words[0]} ended with exit code {done.returncode}.", str(folder))
        error.code = type(error.code)(done.returncode) if done.returncode in set(type(error.code)) else error.code
        raise error


@contextmanager
def _serving(output: Output, project: Path, engine: str) -> Iterator[dict[str, Any]]:
    """Serve the newest bundle, give what the service says when it is ready, and stop it."""
    words = _serve(engine)
    output.say(f"\n$ kit {shlex.join(words)}")
    process = subprocess.Popen(
        [sys.executable, "-m", "kit", *words, "--json"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline() or "{}")
        if not said.get("ready"):
            problems = [problem["what"] for problem in said.get("error", {}).get("problems", [])]
            raise KitError(f"The service did not become ready: {' '.join(problems) or 'it said nothing.'}")
        output.say(f"Ready: {said['url']}")
        yield said
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)


def _unseen_request(project: Path, url: str) -> tuple[str, dict[str, Any]]:
    """Return the typed route, and the request of the first test example that is in no training row."""
    from kit.bundle.store import Store
    from kit.project.project import data_of

    bundle = Store(project).get("latest")
    data = data_of(project, bundle.recipe, bundle.tasks())[0]
    seen = {example.request.model_dump_json() for example in data.train_file.examples}
    unseen = next(each for each in data.test_file.examples if each.request.model_dump_json() not in seen)
    return url + bundle.seal.tasks[0].route, unseen.request.model_dump(mode="json", exclude_defaults=True)


def _post(url: str, request: dict[str, Any]) -> dict[str, Any]:
    import urllib.request

    body = json.dumps(request).encode()
    posted = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(posted, timeout=_READY_SECONDS) as answer:
        return {"status": dict(answer.headers).get("x-domainkit-status"), "body": json.loads(answer.read())}


def _tell(
    output: Output,
    project: Path,
    ready: dict[str, Any],
    request: dict[str, Any],
    response: dict[str, Any],
    seconds: float,
) -> None:
    from kit.bundle.store import Store

    digest = ready["bundles"][0]
    evaluation = [each.payload for each in Store(project).attestations(digest) if each.kind == "evaluation"][-1]
    again = f"cd {shlex.quote(os.path.relpath(project))} && kit serve"
    data = {
        "project": str(project),
        "bundle": digest,
        "engine": ready["engine"],
        "evaluation": evaluation,
        "request": request,
        "response": response["body"],
        "status": response["status"],
        "seconds": round(seconds, 1),
        "serve": again,
    }
    text = (
        f"\nThe service answered ({response['status']}), to a text that was in no training row:\n"
        f"{json.dumps(response['body'], indent=2, ensure_ascii=False)}\n\n"
        f"It is stopped; the bundle {digest[:12]} is kept. {seconds:.0f} s in all. Serve it again:\n\n    {again}"
    )
    output.result(data, text)
