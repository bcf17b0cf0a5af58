"""Serves a staged bundle once, as a service would, before it is published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kit.bundle.plan import BuildPlan
from kit.bundle.store import Bundle
from kit.bundle.verify import verify_files, verify_fingerprints, verify_renders
from kit.chat import Renderer
from kit.engines import make_engine
from kit.engines.answerer import Answerer
from kit.engines.base import Engine, EngineConfig, Generation
from kit.errors import GateFailed, Problem
from kit.system.coroutines import run_to_end
from kit.task import Completion, Task, UnreadableAnswer
from kit.task.copy import as_type, explain_copy_failure, isolated

_MOST_TOKENS = 48
_HEAD = Problem(
    "The bundle does not work as it would be served, so nothing was published.",
    next="Correct what follows. `kit train --resume` then builds the bundle, without training again.",
)


def rehearse(staged: Bundle, plan: BuildPlan) -> None:
    """Start the bundle as a service does, without HTTP, on the local engine; answer one request of each task.

    This verifies files, tokenizer and golden renders, loads the tasks and the model from the bundle's own folder, and
    compares the fingerprints. An answer that was cut off, or that the task cannot read, counts as an answer. Raises
    GateFailed with the reasons.
    """
    try:
        with isolated():
            verify_files(staged)
            renderer = staged.renderer()
            verify_renders(staged, renderer)
            run_to_end(_serve(staged, plan, renderer, staged.tasks()))
    except Exception as error:
        reasons = explain_copy_failure(error, staged.task_folder, plan.project.absolute())
        raise GateFailed([_HEAD, *reasons]) from error


async def _serve(staged: Bundle, plan: BuildPlan, renderer: Renderer, tasks: Sequence[Task[Any, Any]]) -> None:
    adapter = staged.digest if staged.seal.form == "adapter" else None
    engine = make_engine("local", _config(staged, plan, adapter))
    try:
        await engine.start()
        await verify_fingerprints(staged.seal, engine, adapter)
        for task in tasks:
            if task.name in plan.requests:
                request = as_type(plan.requests[task.name], task.request_type)
                await _answered(Answerer(task, renderer, _ShortAnswers(engine), adapter), request)
    finally:
        await engine.stop()


async def _answered(answerer: Answerer, request: Any) -> None:
    try:
        await answerer.respond(request)
    except UnreadableAnswer:
        return


def _config(staged: Bundle, plan: BuildPlan, adapter: str | None) -> EngineConfig:
    return EngineConfig(
        model=plan.base.folder.absolute() if adapter else staged.model_folder,
        dtype=staged.seal.base.dtype,
        max_length=staged.recipe.serve.max_length,
        adapters={adapter: staged.adapter_folder} if adapter else {},
        max_rank=max(1, staged.seal.adapter.rank),
    )


class _ShortAnswers:
    """An engine that writes only the beginning of an answer: the test is whether it answers, not how well."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def generate(self, request: Generation) -> Completion:
        """Return a completion of a few tokens."""
        few = replace(request.sampling, max_tokens=min(_MOST_TOKENS, request.sampling.max_tokens))
        return await self._engine.generate(replace(request, sampling=few))
