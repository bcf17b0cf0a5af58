"""Runs the steps of the demo: commands in child processes, then a service in this one that answers one request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

from kit.bundle.store import Bundle, Store
from kit.errors import Exit, KitError
from kit.project.project import data_of
from kit.project.template import find_template
from kit.workflows.demonstration import DemoPlan, DemoResult, DemoStep
from kit.workflows.events import Note, Report
from kit.workflows.service import serve
from kit.workflows.steps.arguments import refuse_meaningless

EngineName = Literal["auto", "vllm", "local"]
_PROFILE = "smoke"
_ANSWER_SECONDS = 240.0
_STOP_SECONDS = 60.0


def plan(template: str, into: Path | None, engine: EngineName) -> DemoPlan:
    """Return the project's folder and the commands; the last one serves until it is stopped.

    Raises InputError for an unknown template or engine.
    """
    refuse_meaningless(engine=engine)
    find_template(template)
    project = (into or _free_folder(template)).absolute()
    return DemoPlan(
        project,
        (
            ("new", template, project.name),
            ("check", "--profile", _PROFILE),
            ("train", "--profile", _PROFILE),
            ("eval",),
            ("serve", "--port", "0", *(("--engine", engine) if engine != "auto" else ())),
        ),
    )


def _free_folder(template: str) -> Path:
    """Return the first folder of the names demo-legal, demo-legal-2, … that does not exist yet."""
    names = (f"demo-{template}{'' if number == 1 else f'-{number}'}" for number in range(1, 1000))
    return next(Path(name) for name in names if not Path(name).exists())


def perform(plan: DemoPlan, engine: EngineName, output: IO[str] | None, report: Report) -> DemoResult:
    """Run every step. The service is stopped at the end, the bundle is kept."""
    started, project = time.monotonic(), plan.project
    project.parent.mkdir(parents=True, exist_ok=True)
    new, *steps, serving = plan.commands
    _run(new, project.parent, output, report)
    for words in steps:
        _run(words, project, output, report)
    report(DemoStep(serving))
    bundle = Store(project).get("latest")
    request = _unseen_request(project, bundle)
    with serve(project, engine=engine if engine != "auto" else None, report=report) as service:
        status, response = _post(service.url + bundle.seal.tasks[0].route, request)
    attested = [each.payload for each in Store(project).attestations(bundle.digest) if each.kind == "evaluation"]
    return DemoResult(
        project=project,
        bundle=bundle.digest,
        engine=service.engine,
        evaluation=attested[-1],
        request=request,
        response=response,
        status=status,
        seconds=time.monotonic() - started,
    )


def _run(words: Sequence[str], folder: Path, output: IO[str] | None, report: Report) -> None:
    """Run one command; what it prints goes to `output`, or is reported line by line."""
    report(DemoStep(tuple(words)))
    process = subprocess.Popen(
        [sys.executable, "-m", "kit", *words],
        cwd=folder,
        stdout=output or subprocess.PIPE,
        stderr=output or subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout or ():
            report(Note(line.rstrip("\n")))
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait(_STOP_SECONDS)
        raise
    if code:
        error = KitError(f"The demo stopped: kit {words[0]} ended with exit code {code}.", str(folder))
        error.code = Exit(code) if code in set(Exit) else error.code
        raise error


def _unseen_request(project: Path, bundle: Bundle) -> dict[str, Any]:
    """Return the request of the first test example that is in no training row."""
    data = data_of(project, bundle.recipe, bundle.tasks())[0]
    seen = {example.request.model_dump_json() for example in data.train_file.examples}
    unseen = next(each for each in data.test_file.examples if each.request.model_dump_json() not in seen)
    return dict(unseen.request.model_dump(mode="json", exclude_defaults=True))


def _post(url: str, request: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    body = json.dumps(request).encode()
    posted = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(posted, timeout=_ANSWER_SECONDS) as answer:
        return answer.headers.get("x-domainkit-status"), json.loads(answer.read())
