"""Train a model: open the run, load and attach, fit memory and time, restore, then make the steps of the plan."""

from __future__ import annotations

import time
from collections import deque

from kit.errors import Exit
from kit.train.events import Audited, Evaluated, Planned, Probed, Report, Reporter, Saved, Stepped, StoppedEarly
from kit.train.fit.memory import translate_out_of_memory
from kit.train.job import Scorer, StepEvaluation, Stopped, Trained, TrainJob
from kit.train.prepare import (
    AttachedModel,
    OpenedRun,
    Processes,
    Start,
    fit_memory_and_time,
    join_processes,
    load_and_attach,
    open_run,
    plan_run,
    restore,
)
from kit.train.report.audit import Audit
from kit.train.report.divergence import Divergence
from kit.train.report.evaluations import Evaluations
from kit.train.report.measure import has_changed, refuse_broken
from kit.train.report.meter import Meter
from kit.train.report.recorder import StepRecorder
from kit.train.report.utilisation import utilisation
from kit.train.state.checkpoint import Cursor, Snapshot, take_snapshot
from kit.train.state.conditions import repeatable
from kit.train.state.signals import Signals
from kit.train.step.batch import kernel_name
from kit.train.step.optimiser import Optimiser, StepFigures


def train(job: TrainJob, scorer: Scorer | None, report: Report) -> Trained:
    """Train an adapter and return the best checkpoint.

    Raises InputError for rows, targets or a base that cannot be trained, and for a run that cannot be resumed;
    RunBroke if a loss is not finite, the adapter stays zero or the disk is full; Stopped on Ctrl-C and SIGTERM, after
    the current step has been saved.
    """
    processes = join_processes(job)
    plan = plan_run(job, processes.device)
    reporter = Reporter(job.folder, report, active=processes.ranks.first)
    with Signals() as signals, repeatable(processes.device, processes.threads):
        loop = None
        try:
            opened = open_run(job, plan, processes)
            model = load_and_attach(job, opened, processes, reporter)
            optimiser = Optimiser(model.body, plan, job.pad_id, processes.device, processes.ranks)
            probed = fit_memory_and_time(job, optimiser, opened, reporter)
            start = restore(job, optimiser, opened, reporter)
            evaluations = Evaluations(job, optimiser, scorer, processes.threads, start.history)
            loop = TrainingLoop(job, processes, opened, model, optimiser, start, evaluations, reporter, signals)
            with signals.shielded():
                return loop.run(probed)
        except KeyboardInterrupt:
            raise Stopped(signals.code or Exit.INTERRUPTED, loop.step if loop else 0) from None


class TrainingLoop:
    """Makes the steps of the plan; reports, saves and evaluates on the way."""

    def __init__(
        self,
        job: TrainJob,
        processes: Processes,
        opened: OpenedRun,
        model: AttachedModel,
        optimiser: Optimiser,
        start: Start,
        evaluations: Evaluations,
        reporter: Reporter,
        signals: Signals,
    ) -> None:
        self.step, self.plan = start.step, optimiser.plan
        self._job, self._processes, self._ranks = job, processes, processes.ranks
        self._model, self._optimiser, self._evaluations = model, optimiser, evaluations
        self._checkpoints, self._setup = opened.checkpoints, opened.setup(self.plan)
        self._reporter, self._signals = reporter, signals
        self._audit = Audit(job, optimiser, model.loaded)
        self._meter = Meter(start.seconds)
        self._utilisation = utilisation(job.base, self.plan, processes.device)
        self._recorder = StepRecorder(job.folder, self.plan.rows)
        self._divergence = Divergence(self._recorder.losses(start.step))
        self._unread: deque[StepFigures] = deque()
        self._saved_at = time.monotonic()

    def run(self, probed: Probed) -> Trained:
        """Make every step that is left, and return the best checkpoint. Raises KeyboardInterrupt when asked to stop."""
        self._reporter.write(self._planned())
        self._reporter.write(probed)
        self._evaluate_if_due()
        while self.step < len(self.plan.steps) and not self._evaluations.should_stop():
            self._advance()
            stop = self._stop_is_agreed()
            if stop or self.step in self.plan.evaluations or self._save_is_due():
                self._save()
            if stop:
                raise KeyboardInterrupt
            self._evaluate_if_due()
        if self._stop_is_agreed():
            raise KeyboardInterrupt
        if self.step < len(self.plan.steps):
            self._reporter.write(StoppedEarly(self.step, len(self.plan.steps)))
        return self._trained()

    def _stop_is_agreed(self) -> bool:
        """Whether any of the processes was asked to stop; all then stop after the same step."""
        code = self._ranks.maximum(self._signals.code or 0)
        if code:
            self._signals.code = Exit(code)
        return bool(code)

    # --- steps ------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Make a step. On a GPU, its figures are read one step later, so that the GPU never waits for the host."""
        step = self.plan.steps[self.step]
        first = self._audit.facts is None
        with translate_out_of_memory(self.step + 1):
            self._unread.append(self._audit.watched(self.step, self._optimiser.step))
        self.step += 1
        if first and self._audit.facts is not None:
            self._reporter.write(Audited(self.step, tuple(self._audit.facts)))
        plan = self.plan
        self._meter.step(plan.step_tokens(step), plan.step_labels(step), plan.step_computed(step))
        self._read_outcomes(unread=1 if self._processes.device.type == "cuda" else 0)

    def _read_outcomes(self, unread: int = 0) -> None:
        """Report the figures of all steps but the last `unread`. Raises RunBroke if one is not finite."""
        while len(self._unread) > unread:
            outcome = self._unread.popleft()
            if self._ranks.first:
                self._recorder.write(outcome.number, self.plan.steps[outcome.number - 1].rows, outcome.figures())
            loss, norm = outcome.read(self.plan)
            self._divergence.see(outcome.number, loss, self._evaluations.base_loss)
            self._reporter.write(self._stepped(outcome.number, loss, norm))

    def _stepped(self, number: int, loss: float, norm: float) -> Stepped:
        rate, supervised, computed = self._meter.rates()
        tokens_left = sum(map(self.plan.step_tokens, self.plan.steps[number:]))
        evaluations_left = sum(step > number for step in self.plan.evaluations)
        return Stepped(
            number,
            len(self.plan.steps),
            loss,
            norm,
            self._optimiser.rate(number - 1),
            rate,
            supervised,
            self._meter.seconds_left(tokens_left, evaluations_left),
            self._utilisation.of(computed) if self._utilisation else None,
        )

    # --- checkpoints ------------------------------------------------------------------------------------------

    def _save_is_due(self) -> bool:
        due = time.monotonic() - self._saved_at >= self._job.save_seconds
        return bool(self._ranks.maximum(int(due and self._ranks.first)))

    def _save(self) -> None:
        self._read_outcomes()
        cursor = Cursor(self.step, len(self.plan.steps), self._meter.seconds, self._setup)
        held = self._hold() if self._ranks.sharded else None
        self._ranks.by_first(lambda: self._checkpoints.save(self._model.body.model, held or self._hold(), cursor))
        self._remove_unwanted()
        self._saved_at = time.monotonic()
        self._reporter.write(Saved(self.step, len(self.plan.steps)))

    def _hold(self) -> Snapshot:
        return take_snapshot(self._model.body.model, self._optimiser.adam)

    def _remove_unwanted(self) -> None:
        """Keep the checkpoint of this step and the best one."""
        best = self._evaluations.best
        if self._ranks.first:
            self._checkpoints.keep({self.step, best.step if best else self.step})

    # --- evaluations ------------------------------------------------------------------------------------------

    def _evaluate_if_due(self) -> None:
        if not self._evaluations.due(self.step):
            return
        what = "model" if self.step else "base"
        self._reporter.announce(f"Measuring the {what} on {len(self._job.validation)} validation rows.")
        with self._signals.exposed():
            made = self._evaluations.make(self.step)
        if self._ranks.first:
            self._checkpoints.write_history(self._evaluations.history)
        if self.step:
            self._remove_unwanted()
        self._meter.pause()
        self._reporter.write(self._evaluated(made))

    def _evaluated(self, made: StepEvaluation) -> Evaluated:
        best = made is self._evaluations.best
        return Evaluated(made.step, len(self.plan.steps), made.validation_loss, made.score, made.scores or {}, best)

    # --- the start and the end --------------------------------------------------------------------------------

    def _planned(self) -> Planned:
        plan, device = self.plan, self._processes.device
        return Planned(
            step=self.step,
            steps=len(plan.steps),
            tokens=plan.tokens,
            supervised=plan.supervised,
            trainable=sum(parameter.numel() for parameter in self._optimiser.parameters),
            plan=plan.digest,
            device=str(device),
            threads=self._processes.threads,
            computed=plan.computed,
            saved=plan.saved,
            attention=kernel_name(device, plan.rows_alone),
            fused_layers=self._model.fused.replaced,
            compute=self._setup["compute type"],
            slower=self._model.fused.sentences(),
        )

    def _trained(self) -> Trained:
        best = self._evaluations.best
        assert best is not None, "a plan always ends with an evaluation"
        adapter = self._checkpoints.find(best.step) / "adapter"
        refuse_broken(self._job, adapter, has_changed(self._optimiser.parameters, self._model.initial))
        return Trained(
            adapter,
            best.step,
            best.score,
            best.validation_loss,
            self.plan.first(self.step).tokens,
            self._meter.seconds,
            tuple(self._evaluations.history),
        )
