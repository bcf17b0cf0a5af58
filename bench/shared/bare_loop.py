"""The engine without a service: answer a typed request again and again, and print the seconds of each time.

    python -m bench.shared.bare_loop PROJECT BUNDLE REQUEST.json

One line on stdin starts one answer. The prompts are rendered and the answers read, so that the loop does what a user
of the engine would do who has no service.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from kit.bundle.store import Store
from kit.engines import make_engine
from kit.engines.answerer import Answerer
from kit.workflows.steps.engines import engine_config


async def answer_when_asked(project: Path, ref: str, request_file: Path) -> None:
    """Print `ready`, then for each line on stdin the seconds of one answer."""
    bundle = Store(project).get(ref)
    [task] = bundle.tasks()
    request = task.request_type.model_validate_json(request_file.read_bytes())
    engine = make_engine("vllm", engine_config([bundle], project, None, None))
    await engine.start()
    try:
        answerer = Answerer(task, bundle.renderer(), engine, defaults=bundle.seal.sampling)
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            start = time.perf_counter()
            await answerer.respond(request)
            print(time.perf_counter() - start, flush=True)
    finally:
        await engine.stop()


if __name__ == "__main__":
    asyncio.run(answer_when_asked(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
