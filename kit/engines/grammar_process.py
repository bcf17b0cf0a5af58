"""Compiles clients' grammars in processes that end: python -m kit.engines.grammar_process FOLDER WIDTH SECONDS BYTES.

It reads one grammar as JSON from each line of standard input, and answers with one JSON string: empty if the grammar
compiles within the limits, or the reason. Each grammar is compiled in a fork, which the system kills at the time limit.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from kit.engines.local.grammar import Grammars
    from kit.engines.structured import Grammar

TOO_LONG = "The answer type takes longer than {seconds:g} seconds to compile. Use fewer properties or smaller bounds."
TOO_LARGE = "The answer type needs too much memory to compile. Use fewer properties or smaller bounds."


def main() -> None:
    """Answer until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not look like an answer
    folder, width, seconds, memory = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    from kit.engines.local.grammar import Grammars
    from kit.engines.structured import Grammar

    grammars = Grammars(folder, width)
    for line in sys.stdin:
        reason = _tried(grammars, Grammar(**json.loads(line)), seconds, memory)
        print(json.dumps(reason), file=answers, flush=True)


def _tried(grammars: Grammars, grammar: Grammar, seconds: float, memory: int) -> str:
    """Compile a grammar in a fork; return why it is refused, or an empty string."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _compile_and_exit(grammars, grammar, seconds, memory, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(process, 0)
    if answer:
        return str(json.loads(answer))
    too_long = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    return TOO_LONG.format(seconds=seconds) if too_long else TOO_LARGE


def _compile_and_exit(grammars: Grammars, grammar: Grammar, seconds: float, memory: int, pipe: int) -> NoReturn:
    """Compile within the limits, and write the reason of a refusal; end without any clean-up of the parent's state."""
    from kit.errors import InputError

    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it also ends a compiler that never returns to Python
        signal.setitimer(signal.ITIMER_REAL, seconds)
        _limit_memory(memory)
        try:
            grammars.compile(grammar)
            reason = ""
        except InputError as error:
            reason = error.problems[0].what
        os.write(pipe, json.dumps(TOO_LARGE if "bad_alloc" in reason else reason).encode())
    finally:
        os._exit(0)


def _limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now, where the system can say how many it has."""
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + more
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
