"""Tries a client's grammar before an engine compiles it: in another process, within limits, and once for each grammar.

Compiling takes from milliseconds to minutes, and nothing in a schema's size tells which. An engine cannot stop to
compile, and everybody else waits for it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import OrderedDict
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from kit.base.configuration import read_config
from kit.base.families import number
from kit.engines.structured import Grammar, client_grammar
from kit.errors import InputError, KitError
from kit.task import AnswerSpec

_SECONDS = 3.0
_MEMORY = 1 << 30
_REMEMBERED = 512
_LONGEST_LINE = 1 << 20
_STARTING_SECONDS = 120.0


class GrammarTrials:
    """Tries grammars for one model. Its process starts with the first grammar of a client, and ends with this one."""

    def __init__(self, model: Path, seconds: float = _SECONDS, memory: int = _MEMORY) -> None:
        self._model, self._seconds, self._memory = model, seconds, memory
        self._known: OrderedDict[Grammar, str] = OrderedDict()  # why each grammar is refused; empty: it is not
        self._running: dict[Grammar, asyncio.Task[str]] = {}
        self._turn = asyncio.Lock()
        self._process: Process | None = None

    async def admit(self, answer: AnswerSpec) -> None:
        """Return if an engine may compile the grammar of an answer type.

        Raises InputError if it takes too long, needs too much memory or is no grammar. A bundle's own types are
        trusted.
        """
        grammar = client_grammar(answer)
        if grammar is None:
            return
        if grammar in self._known:
            self._known.move_to_end(grammar)
            reason = self._known[grammar]
        else:
            reason = await asyncio.shield(self._trial_of(grammar))  # goes on if this client leaves: others may send it
        if reason:
            raise InputError(reason)

    async def stop(self) -> None:
        """End the process; calling it twice is harmless."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._end()

    def _trial_of(self, grammar: Grammar) -> asyncio.Task[str]:
        if grammar not in self._running:
            trial = self._running[grammar] = asyncio.create_task(self._try(grammar))
            trial.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody waits any more
        return self._running[grammar]

    async def _try(self, grammar: Grammar) -> str:
        try:
            async with self._turn:
                reason = await self._ask(grammar)
            self._known[grammar] = reason
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
            return reason
        finally:
            del self._running[grammar]

    async def _ask(self, grammar: Grammar) -> str:
        """Ask the process, which starts if there is none. Raises KitError if it ends without an answer."""
        try:
            process = self._process or await self._start()
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asdict(grammar)).encode() + b"\n")
            async with asyncio.timeout(self._seconds + _STARTING_SECONDS):
                return str(json.loads(await process.stdout.readline()))
        except BaseException as error:  # the next answer would be to this question
            await self._end()
            if isinstance(error, ValueError | OSError | TimeoutError):
                raise KitError("The answer type could not be tried: the process that compiles it ended.") from error
            raise

    async def _start(self) -> Process:
        width = _width(self._model)
        words = [str(self._model), str(width), str(self._seconds), str(self._memory)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "kit.engines.grammar_process",
            *words,
            stdin=PIPE,
            stdout=PIPE,
            env=environment | {"TOKENIZERS_PARALLELISM": "false"},
            limit=_LONGEST_LINE,
            start_new_session=True,  # Ctrl-C in a terminal must reach only the service
        )
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _width(model: Path) -> int:
    """Return the width of a model's logits, from its configuration."""
    config = read_config(model)
    width = number(config, "vocab_size") or number(config.get("text_config") or {}, "vocab_size")
    if width is None:
        raise InputError("The model's configuration has no vocab_size.", str(model))
    return width
