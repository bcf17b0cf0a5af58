"""Verifies a bundle, starts its engine, and answers requests with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from kit.bundle.attestation import status_sentence
from kit.bundle.store import Bundle, Store
from kit.bundle.verify import verify_files, verify_fingerprints, verify_renders
from kit.engines import make_engine
from kit.engines.answerer import Answerer, SamplingDefaults, run_concurrently
from kit.engines.base import Engine
from kit.errors import InputError, KitError, Problem, nearest
from kit.project.project import AnyTask, Project
from kit.recipe.validation import KeyPath, problems_of
from kit.system.coroutines import run_to_end
from kit.task import UnreadableAnswer
from kit.workflows.events import Counted, Note, Report
from kit.workflows.steps.arguments import refuse_meaningless
from kit.workflows.steps.engines import adapter_name, engine_config, engine_kind, running

_AT_ONCE = 32  # requests sent to the engine at once, for it to batch; the others wait


def answer(
    root: Path,
    requests: Sequence[Mapping[str, Any] | BaseModel],
    ref: str,
    task_name: str | None,
    wanted: Literal["auto", "vllm", "local"] | None,
    base: str | Path | None,
    threads: int | None,
    report: Report,
) -> list[BaseModel]:
    """Return the responses in the order of the requests. The task's code runs only after its hash was verified."""
    refuse_meaningless(engine=wanted, threads=threads)
    project = Project.find(root)
    store = Store(project.root)
    bundle = store.get(ref)
    verify_files(bundle)
    verify_renders(bundle, bundle.renderer())
    task = _task(bundle, task_name)
    typed = _typed(task, requests)
    report(Note(status_sentence(store.attestations(bundle.digest))))
    kind = engine_kind([bundle], wanted or bundle.recipe.serve.engine)
    engine = make_engine(kind, engine_config([bundle], project.root, threads, Path(base) if base else None))
    return run_to_end(_answered(bundle, task, engine, typed, report))


def _task(bundle: Bundle, name: str | None) -> AnyTask:
    tasks = {task.name: task for task in bundle.tasks()}
    if name is None and len(tasks) == 1:
        return next(iter(tasks.values()))
    if name is None:
        raise InputError("The bundle has several tasks.", "task", f"Name one of: {', '.join(tasks)}.")
    if name not in tasks:
        advice = nearest(name, tasks) or f"Known: {', '.join(tasks)}."
        raise InputError(f"The bundle has no task '{name}'.", "task", advice)
    return tasks[name]


def _typed(task: AnyTask, requests: Sequence[Mapping[str, Any] | BaseModel]) -> list[BaseModel]:
    """Return the requests as the task's type. Raises InputError with the problems of all of them."""
    typed, problems = list[BaseModel](), list[Problem]()
    for number, request in enumerate(requests):
        try:
            typed.append(task.request_type.model_validate_json(to_json(request)))
        except ValidationError as error:
            problems += problems_of(error, task.request_type, _place(number, len(requests)))
        except PydanticSerializationError as error:
            problems.append(Problem(f"This is not JSON: {error}.", _name(number, len(requests))))
    if problems:
        raise InputError(problems)
    return typed


def _name(number: int, count: int) -> str:
    return "request" if count == 1 else f"request[{number}]"


def _place(number: int, count: int) -> Callable[[KeyPath], str]:
    return lambda path: ".".join([_name(number, count), *map(str, path)])


async def _answered(
    bundle: Bundle, task: AnyTask, engine: Engine, requests: Sequence[BaseModel], report: Report
) -> list[BaseModel]:
    defaults = SamplingDefaults(**bundle.seal.sampling.model_dump())
    answerer = Answerer(task, bundle.renderer(), engine, adapter_name(bundle), defaults)
    slots, done, count = asyncio.Semaphore(_AT_ONCE), itertools.count(1), len(requests)

    async def respond(number: int, request: BaseModel) -> BaseModel:
        try:
            async with slots:
                response = (await answerer.respond(request)).response
        except UnreadableAnswer as error:
            what = f"The task cannot read what the model wrote: {error}"
            raise KitError(what, _name(number, count)) from error
        report(Counted("Answering", next(done), count))
        return response

    async with running(engine):
        await verify_fingerprints(bundle.seal, engine, adapter_name(bundle))
        return await run_concurrently([respond(number, request) for number, request in enumerate(requests)])
