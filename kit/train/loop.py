"""The loop: performs a plan step by step, measures, saves, and stops when it is told to or must."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from kit.errors import Exit, InputError
from kit.recipe import FloatType
from kit.system.machine import compute_type
from kit.train.distributed.ranks import Ranks, start_ranks
from kit.train.distributed.sharded import shard, together
from kit.train.events import Audited, Began, Evaluated, Event, MetricsFile, Planned, Saved, Stepped, StoppedEarly
from kit.train.fit.compiling import compiled_for, wants_compiling
from kit.train.fit.memory import probe_memory, told_when_too_large
from kit.train.fit.time import steps_within
from kit.train.job import Evaluation, Scorer, Stopped, Trained, TrainJob
from kit.train.model.compiled import Compiled
from kit.train.model.methods import attach, load_base
from kit.train.model.takeover import lighten
from kit.train.plan.plan import Plan, make_plan, refuse_unfit
from kit.train.plan.sharing import sharing
from kit.train.report.audit import Audit, look_at
from kit.train.report.divergence import Divergence
from kit.train.report.measure import best_of, measure, moved, refuse_broken, sample
from kit.train.report.meter import Meter
from kit.train.report.recorder import FlightRecorder
from kit.train.report.stopping import enough
from kit.train.report.utilisation import utilisation
from kit.train.state.checkpoint import Checkpoint, Checkpoints, Cursor, Held, hold, refuse_other
from kit.train.state.machine import conditions, physical_cores, repeatable, training_device
from kit.train.state.signals import Signals
from kit.train.step.batch import kernel_name
from kit.train.step.ewc import Elastic, rows_digest
from kit.train.step.loss import Body, split_model
from kit.train.step.optimiser import Optimiser, Outcome

Report = Callable[[Event], None]


def train(job: TrainJob, scorer: Scorer | None, report: Report) -> Trained:
    """Train an adapter and return the best checkpoint.

    Raises InputError for rows, targets or a base that cannot be trained, and where a run cannot be resumed; RunBroke
    where a loss is not finite, the adapter stays zero or the disk is full; Stopped on Ctrl-C and SIGTERM, after the
    step that is being made has been saved.
    """
    ranks = start_ranks(job.section.parallel)
    device = training_device()
    shared = sharing(job.base, job.section, [*job.rows, *job.validation], device.type)
    plan = make_plan(job.rows, job.section, job.mixture, sharing=shared)
    refuse_unfit(job.validation, job.section)
    threads = job.threads or max(1, physical_cores() // ranks.here)
    with Signals() as signals, repeatable(device, threads):
        run = None
        try:
            run = _Run(job, plan, device, threads, scorer, report, signals, ranks)
            with signals.shielded():
                return run.perform()
        except KeyboardInterrupt:
            raise Stopped(signals.code or Exit.INTERRUPTED, run.step if run else 0) from None


class _Run:
    """A run in progress: the model, its optimiser, the step it stands at, and what was measured so far."""

    def __init__(
        self,
        job: TrainJob,
        plan: Plan,
        device: torch.device,
        threads: int,
        scorer: Scorer | None,
        report: Report,
        signals: Signals,
        ranks: Ranks,
    ) -> None:
        self.job, self.device, self.threads = job, device, threads
        self.scorer, self.report, self.signals, self.ranks = scorer, report, signals, ranks
        self.checkpoints = Checkpoints(job.folder / "checkpoints")
        ranks.prove(job.folder, plan.digest)
        last = self._last_checkpoint()
        compute = compute_type(job.section.compute, job.dtype, device.type)
        self.compiles, whole = wants_compiling(plan, job.base, device, threads, ranks.sharded), plan
        if last:
            plan = plan.first(last.cursor.steps)
            refuse_other(last.cursor.setup, self._setup(plan, compute), last.folder)
        place = torch.device("cpu") if ranks.sharded else device
        self._begin("Loading the base model.")
        base = load_base(job.base, job.dtype, job.section, device, compute, place)
        loaded = look_at(base, job.base, job.dtype)
        self._begin(f"Attaching {job.method} to the base, and comparing the faster layers with its own.")
        self.lean = lighten(base)
        self.model = attach(base, job.section, job.base.name)
        self.begun = sample(parameter for parameter in self.model.parameters() if parameter.requires_grad)
        self.body = self._sharded(split_model(self.model), last) if ranks.sharded else split_model(self.model)
        self.model.train()
        self.compiled: Compiled | None = None
        self._begin("Measuring the memory of the largest micro-batch.")
        self.probed = probe_memory(self._optimiser(whole), job, device)
        if self.compiles:
            self._begin("Compiling the layers: this takes from seconds to minutes, once a run.")
            self.compiled = compiled_for(self._optimiser(whole))
        self.plan = plan if last else plan.first(ranks.jointly(lambda: self._affordable(plan)))
        self.optimiser = self._optimiser(self.plan)
        self.audit = Audit(job, self.optimiser, loaded)
        self.setup = self._setup(self.plan, compute)
        self.optimiser.penalty = self._penalty()
        self.step = self._restore(last) if last else 0
        self.history = self.checkpoints.read_history(self.step)
        self.meter = Meter(last.cursor.seconds if last else 0.0)
        self.utilisation = utilisation(job.base, self.plan, device)
        self.metrics = MetricsFile(job.folder / "metrics.jsonl")
        self.recorder = FlightRecorder(job.folder, self.plan.rows)
        self.divergence = Divergence(self.recorder.losses(self.step))
        self.pending: deque[Outcome] = deque()
        self.saved_at = time.monotonic()

    # --- where it begins --------------------------------------------------------------------------------------

    def _last_checkpoint(self) -> Checkpoint | None:
        last = self.checkpoints.last()
        if last and not self.job.resume:
            advice = "Go on with: kit train --resume, or begin a new run."
            raise InputError("The run already has checkpoints.", str(self.job.folder), advice)
        return last

    def _setup(self, plan: Plan, compute: FloatType) -> dict[str, str]:
        """What the run depends on, by name."""
        return {
            "base weights": self.job.base.weights_digest(),
            "weight type": self.job.dtype,
            "compute type": compute,
            "plan": plan.digest,
            **conditions(self.device, self.threads),
            **({"processes": str(self.ranks.count)} if self.ranks.count > 1 else {}),
            "layers": "compiled" if self.compiles else "not compiled",
            **({"reference rows": rows_digest(self.job.reference)} if self.job.section.ewc else {}),
        }

    def _sharded(self, body: Body, last: Checkpoint | None) -> Body:
        """Part the weights over the processes, once they are those of the checkpoint."""
        if last:
            self.checkpoints.restore_weights(last, self.model)
        return shard(body, self.device)

    def _affordable(self, plan: Plan) -> int:
        minutes = self.job.section.max_minutes
        if minutes is None:
            return len(plan.steps)
        self._begin("Timing a few steps, to plan no more than train.max_minutes allows.")
        return steps_within(minutes, self._optimiser(plan), self.job.validation)

    def _optimiser(self, plan: Plan) -> Optimiser:
        made = Optimiser(self.body, plan, self.job.pad_id, self.device, self.ranks)
        made.compiled = self.compiled
        return made

    def _restore(self, last: Checkpoint) -> int:
        if not self.ranks.sharded:
            self.checkpoints.restore_weights(last, self.model)
        self.checkpoints.restore_optimiser(last, self.optimiser.adam)
        return last.cursor.step

    def _penalty(self) -> Elastic | None:
        """Tie the weights to where they stand; this comes before a checkpoint is restored."""
        ewc = self.job.section.ewc
        if ewc is None:
            return None
        self._begin("Measuring which weights the reference rows need.")
        return Elastic(self.body, self.job.reference, ewc.strength, self.job.section.seed)

    # --- what it does -----------------------------------------------------------------------------------------

    def perform(self) -> Trained:
        """Make every step that is left; measure and save where the plan says so."""
        self._tell(self._planned())
        self._tell(self.probed)
        self._measure_if_due()
        while self.step < len(self.plan.steps) and not self._enough():
            self._advance()
            stop = self._stop_is_agreed()
            if stop or self.step in self.plan.evaluations or self._save_is_due():
                self._save()
            if stop:
                raise KeyboardInterrupt
            self._measure_if_due()
        if self._stop_is_agreed():
            raise KeyboardInterrupt
        if self.step < len(self.plan.steps):
            self._tell(StoppedEarly(self.step, len(self.plan.steps)))
        return self._trained()

    def _enough(self) -> bool:
        """Whether it no longer gets better; all processes have one history, so they agree."""
        return enough(self.history, self.job.section.early_stopping, self.job.higher_is_better)

    def _stop_is_agreed(self) -> bool:
        """Whether any of the processes was asked to stop; all then stop after the same step."""
        code = self.ranks.agreed(self.signals.code or 0)
        if code:
            self.signals.code = Exit(code)
        return bool(code)

    def _advance(self) -> None:
        """Make a step. Its figures are read at once on a CPU, and one step later on a GPU, which then never waits."""
        step = self.plan.steps[self.step]
        first = self.audit.facts is None
        with told_when_too_large(self.step + 1):
            self.pending.append(self.audit.watched(self.step, self.optimiser.step))
        self.step += 1
        if first and self.audit.facts is not None:
            self._tell(Audited(self.step, tuple(self.audit.facts)))
        plan = self.plan
        self.meter.step(plan.step_tokens(step), plan.step_labels(step), plan.step_computed(step))
        self._settle(waiting=1 if self.device.type == "cuda" else 0)

    def _settle(self, waiting: int = 0) -> None:
        """Read and report the figures of all steps but the last few; stop the run where one is not finite."""
        while len(self.pending) > waiting:
            outcome = self.pending.popleft()
            if self.ranks.first:
                self.recorder.write(outcome.number, self.plan.steps[outcome.number - 1].rows, outcome.figures())
            loss, norm = outcome.read(self.plan)
            self.divergence.see(outcome.number, loss, self.history[0].validation_loss if self.history else None)
            rate, supervised, computed = self.meter.rates()
            used = self.utilisation.of(computed) if self.utilisation else None
            total = len(self.plan.steps)
            left = self.meter.seconds_left(*self._work_left(outcome.number))
            learning_rate = self.optimiser.rate(outcome.number - 1)
            self._tell(Stepped(outcome.number, total, loss, norm, learning_rate, rate, supervised, left, used))

    def _save_is_due(self) -> bool:
        due = time.monotonic() - self.saved_at >= self.job.save_seconds
        return bool(self.ranks.agreed(int(due and self.ranks.first)))

    def _save(self) -> None:
        self._settle()
        cursor = Cursor(self.step, len(self.plan.steps), self.meter.seconds, self.setup)
        held = self._hold() if self.ranks.sharded else None
        self.ranks.by_first(lambda: self.checkpoints.save(self.model, held or self._hold(), cursor))
        self._keep_wanted()
        self.saved_at = time.monotonic()
        self._tell(Saved(self.step, len(self.plan.steps)))

    def _hold(self) -> Held:
        return hold(self.model, self.optimiser.adam)

    def _keep_wanted(self) -> None:
        best = best_of(self.history, self.job.higher_is_better)
        if self.ranks.first:
            self.checkpoints.keep({self.step, best.step if best else self.step})

    # --- what it measures -------------------------------------------------------------------------------------

    def _measure_if_due(self) -> None:
        """Measure the base before the first step and the model where the plan says so, unless that was done before."""
        if self.step not in {0, *self.plan.evaluations} or any(made.step == self.step for made in self.history):
            return
        self._begin(f"Measuring the {'model' if self.step else 'base'} on {len(self.job.validation)} validation rows.")
        with self.signals.exposed():
            scorer = self.scorer if self.step else None
            evaluation = self.ranks.jointly(lambda: self._evaluation(scorer))
        self.history.append(evaluation)
        if self.ranks.first:
            self.checkpoints.write_history(self.history)
        best = best_of(self.history, self.job.higher_is_better)
        if self.step:
            self._keep_wanted()
        self.meter.pause()
        self._tell(self._evaluated(evaluation, evaluation is best))

    def _evaluation(self, scorer: Scorer | None) -> Evaluation:
        joint = self._scored_by_first(scorer) if scorer and self.ranks.sharded else scorer
        made = measure(self.job, self.optimiser, joint, self.step, self.threads)
        if self.optimiser.penalty is None:
            return made
        return replace(made, scores={**(made.scores or {}), "ewc_penalty": self.optimiser.penalty.value()})

    def _scored_by_first(self, scorer: Scorer) -> Scorer:
        """A scorer runs the model as it likes, so that the first process alone can, with all weights."""

        def score(model: Any) -> Mapping[str, float | None]:
            with together(self.body):
                return self.ranks.from_first(lambda: scorer(model))

        return score

    # --- what it says -----------------------------------------------------------------------------------------

    def _begin(self, what: str) -> None:
        """Tell the person who waits; it is no fact of the run, so the file of events does not hold it."""
        if self.ranks.first:
            self.report(Began(what))

    def _tell(self, event: Event) -> None:
        if self.ranks.first:
            self.metrics.write(event)
            self.report(event)

    def _planned(self) -> Planned:
        plan = self.plan
        trainable = sum(parameter.numel() for parameter in self.optimiser.parameters)
        return Planned(
            self.step, len(plan.steps), plan.tokens, plan.supervised, trainable, plan.digest, str(self.device),
            self.threads, plan.computed, plan.saved, kernel_name(self.device, plan.rows_alone),
            self.compiled is not None, self.lean.taken, self.setup["compute type"],
            self.lean.sentences(),
        )  # fmt: skip

    def _evaluated(self, made: Evaluation, best: bool) -> Evaluated:
        return Evaluated(made.step, len(self.plan.steps), made.validation_loss, made.score, made.scores or {}, best)

    def _work_left(self, done: int) -> tuple[int, int]:
        """Tokens and evaluations after a step."""
        tokens = sum(map(self.plan.step_tokens, self.plan.steps[done:]))
        return tokens, sum(step > done for step in self.plan.evaluations)

    def _trained(self) -> Trained:
        best = best_of(self.history, self.job.higher_is_better)
        assert best is not None, "a plan always ends with an evaluation"
        adapter = self.checkpoints.find(best.step) / "adapter"
        refuse_broken(self.job, adapter, moved(self.optimiser.parameters, self.begun))
        return Trained(
            adapter, best.step, best.score, best.validation_loss, self.plan.first(self.step).tokens, self.meter.seconds,
            tuple(self.history),
        )  # fmt: skip
