"""A task that loops forever, in Python or inside one library call that holds the interpreter, dies, or raises."""

MISBEHAVING_TASK = '''"""Count characters, or misbehave on request."""
import os
import re
import signal
from pathlib import Path
from pydantic import Field
from kit.metrics.reductions import mean_of
from kit.task import Message, Prompt, Strict, Task, UnreadableAnswer


class Ask(Strict):
    text: str = Field(min_length=1)
    work: str = "none"
    note: str = ""


class Counted(Strict):
    characters: int


class Odd(UnreadableAnswer):
    """An error class that exists in no other process."""


def work(kind, note):
    if note:
        Path(note).write_text(f"{os.getpid()} {os.getppid()}")
    if kind == "loop":
        while True:
            pass
    if kind == "library":
        re.fullmatch("(a+)+", "a" * 60 + "b")
    if kind == "death":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "bug":
        {}["secret of the task"]
    if kind == "odd":
        raise Odd("Odd answer.")


class Counter(Task[Ask, Counted]):
    """Counts characters."""

    name, route, request_type, response_type = "counter", "/v1/counter", Ask, Counted
    metrics, main_metric = {"same": mean_of("same")}, "same"

    def prompts(self, request):
        work(request.work, request.note)
        return [Prompt(Counted, 16, (Message.of("user", request.text[:100]),))]

    def targets(self, request, response):
        return [None]

    def read(self, request, completions):
        work(request.work.removeprefix("read "), request.note)
        return Counted(characters=len(request.text))

    def observe(self, expected, actual):
        return {"same": float(expected == actual)}
'''
