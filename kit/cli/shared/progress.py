"""Progress on stderr: one live line on a terminal, a plain line every ten seconds on a pipe."""

from __future__ import annotations

import sys
import time

from kit.cli.shared.output import Output
from kit.train.events import Audited, Evaluated, PhaseStarted, Planned, Probed, Stepped, StoppedEarly
from kit.train.report.applied import trouble
from kit.workflows.events import Counted, Note

_PLAIN_SECONDS = 10.0


class LiveLine:
    """A line that rewrites itself on a terminal; on a pipe, a new line at most every ten seconds."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._terminal = sys.stderr.isatty()
        self._width = 0
        self._shown_at = 0.0

    def show(self, text: str, always: bool = False) -> None:
        """Show the current state; with `always`, a pipe gets this line even within the ten seconds."""
        if self._terminal:
            sys.stderr.write("\r" + text.ljust(self._width))
            sys.stderr.flush()
            self._width = len(text)
        elif always or time.monotonic() - self._shown_at >= _PLAIN_SECONDS:
            self._output.say(text)
            self._shown_at = time.monotonic()

    def keep(self, text: str) -> None:
        """Print a line that is not overwritten."""
        if self._terminal:
            sys.stderr.write("\r" + " " * self._width + "\r")
            self._width = 0
        self._output.say(text)

    def close(self) -> None:
        """End the line."""
        if self._terminal and self._width:
            sys.stderr.write("\n")
            self._width = 0


class TrainingLine:
    """Shows what a workflow reports: counts and steps on the live line, sentences on lines that stay."""

    def __init__(self, output: Output) -> None:
        self._line = LiveLine(output)

    def __enter__(self) -> TrainingLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def phase(self, sentence: str) -> None:
        """Show the phase that starts: on a terminal until the next line, on a pipe as a line."""
        self._line.show(sentence, always=True)

    def report(self, event: object) -> None:
        """Show one event."""
        match event:
            case Note():
                self._line.keep(event.sentence)
            case Counted():
                self._line.show(f"{event.what}: {event.done}/{event.total}", always=event.done == event.total)
                if event.done == event.total:
                    self._line.close()
            case PhaseStarted():
                self.phase(event.what)
            case Stepped():
                self._line.show(_stepped(event))
            case _:
                for line in _lines(event):
                    self._line.keep(line)


def _lines(event: object) -> list[str]:
    """Return the lines of an event that stay on the screen; none for an event that is only for `metrics.jsonl`."""
    match event:
        case Planned():
            return _planned(event)
        case Audited():
            odd = trouble(event.facts)
            return [f"Not as asked: {odd}"] if odd else []
        case Probed():
            return [_probed(event)]
        case Evaluated():
            return [f"step {event.step}/{event.steps}  {_measured(event)}"]
        case StoppedEarly():
            return [f"step {event.step}/{event.steps}  stopped early: the evaluations did not improve."]
    return []


def _planned(event: Planned) -> list[str]:
    text = f"{event.steps} steps, {event.tokens:,} tokens ({event.supervised:,} supervised), "
    how = f"{event.threads} threads, computed in {event.compute}"
    layers = f"; {event.fused_layers} fused layers" if event.fused_layers else ""
    ratio = f"{event.tokens / event.computed:.2f} tokens of rows per token computed"
    return [
        f"{text}{event.trainable:,} trainable parameters, {how}.",
        f"Sharing: {ratio} ({event.saved:,} saved); {event.attention}{layers}.",
        *(f"Slower: {sentence}." for sentence in event.slower),
    ]


def _stepped(event: Stepped) -> str:
    text = f"step {event.step}/{event.steps}  loss {event.loss:.3f}  {event.tokens_per_second:,.0f} tokens/s"
    used = "" if event.utilisation is None else f"  {event.utilisation:.0%} of the GPU"
    return f"{text}{used}  {_clock(event.seconds_left)} left"


def _probed(event: Probed) -> str:
    from kit.train.plan.estimate import gib

    guess = "" if event.predicted is None else f"; {gib(event.predicted)} were predicted"
    free = "" if event.free is None else f", {gib(event.free)} were free"
    how = " with gradient checkpointing" if event.checkpointed else ""
    return f"largest micro-batch: {event.tokens:,} tokens took {gib(event.added)} GiB{how}{guess}{free}."


def _measured(event: Evaluated) -> str:
    loss = [] if event.validation_loss is None else [f"validation loss {event.validation_loss:.3f}"]
    scores = [f"{name} {value:.3f}" for name, value in event.scores.items() if value is not None]
    return "  ".join([*loss, *scores, *(["best so far"] if event.best else [])])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02}"
