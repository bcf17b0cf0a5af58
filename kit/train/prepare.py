"""The phases of a run before its first step: each takes what it needs and returns what it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kit.errors import InputError
from kit.system.machine import compute_type
from kit.train.distributed.ranks import Ranks, start_ranks
from kit.train.distributed.sharded import shard
from kit.train.events import Probed, Reporter
from kit.train.fit.memory import probe_memory
from kit.train.fit.time import steps_within
from kit.train.job import StepEvaluation, TrainJob
from kit.train.model.methods import attach, load_base
from kit.train.model.replacement import FusedLayers, fuse_layers
from kit.train.model.split import Body, split_model
from kit.train.plan.plan import StepPlan, make_plan, refuse_unfit
from kit.train.plan.sharing import sharing
from kit.train.report.audit import LoadedBase, inspect_base
from kit.train.report.measure import sample
from kit.train.state.checkpoint import Checkpoint, Checkpoints, refuse_other
from kit.train.state.conditions import conditions, physical_cores, training_device
from kit.train.step.ewc import Elastic, rows_digest
from kit.train.step.optimiser import Optimiser


@dataclass(frozen=True)
class Processes:
    """Where the run computes: the device and the threads of this process, and the other processes of the run."""

    device: torch.device
    threads: int
    ranks: Ranks


@dataclass(frozen=True)
class OpenedRun:
    """The run's checkpoints, the one to resume from, and the conditions that a resumed run must share, by name."""

    checkpoints: Checkpoints
    last: Checkpoint | None
    conditions: Mapping[str, str]

    def setup(self, plan: StepPlan) -> dict[str, str]:
        """The conditions and the plan, as a checkpoint stores them."""
        return {**self.conditions, "plan": plan.digest}


@dataclass(frozen=True)
class AttachedModel:
    """The model to train; `initial` holds sampled values of its trained parameters before the first step."""

    body: Body
    loaded: LoadedBase
    fused: FusedLayers
    initial: Sequence[Tensor]


@dataclass(frozen=True)
class Start:
    """The starting point: after `step` steps and `seconds` of training, with the evaluations made until then."""

    step: int
    seconds: float
    history: list[StepEvaluation]


def join_processes(job: TrainJob) -> Processes:
    """Connect to the other processes of the run, and choose the device and the threads of this one."""
    ranks = start_ranks(job.section.parallel)
    return Processes(training_device(), job.threads or max(1, physical_cores() // ranks.here), ranks)


def plan_run(job: TrainJob, device: torch.device) -> StepPlan:
    """Plan every step. Raises InputError and RunBroke for rows that cannot be trained on or validated with."""
    shared = sharing(job.base, job.section, [*job.rows, *job.validation], device.type)
    plan = make_plan(job.rows, job.section, job.mixture, sharing=shared)
    refuse_unfit(job.validation, job.section)
    return plan


def open_run(job: TrainJob, plan: StepPlan, processes: Processes) -> OpenedRun:
    """Open the run's folder and find the checkpoint to resume from.

    Raises InputError if there is one but the job does not resume, or if it was made under other conditions.
    """
    checkpoints = Checkpoints(job.folder / "checkpoints")
    processes.ranks.check_connection(job.folder, plan.digest)
    last = checkpoints.last()
    if last and not job.resume:
        advice = "Continue with: kit train --resume, or start a new run."
        raise InputError("The run already has checkpoints.", str(job.folder), advice)
    opened = OpenedRun(checkpoints, last, _conditions(job, processes))
    if last:
        refuse_other(last.cursor.setup, opened.setup(plan.first(last.cursor.steps)), last.folder)
    return opened


def _conditions(job: TrainJob, processes: Processes) -> dict[str, str]:
    ranks, device = processes.ranks, processes.device
    return {
        "base weights": job.base.weights_digest(),
        "weight type": job.dtype,
        "compute type": compute_type(job.section.compute, job.dtype, device.type),
        **conditions(device, processes.threads),
        **({"processes": str(ranks.count)} if ranks.count > 1 else {}),
        **({"reference rows": rows_digest(job.reference)} if job.section.ewc else {}),
    }


def load_and_attach(job: TrainJob, opened: OpenedRun, processes: Processes, reporter: Reporter) -> AttachedModel:
    """Load the base, speed up its layers without changing their results, and attach the method.

    To resume a sharded run, the weights are restored here, because later each process holds only a part of them.
    """
    device, sharded = processes.device, processes.ranks.sharded
    compute = compute_type(job.section.compute, job.dtype, device.type)
    reporter.announce("Loading the base model.")
    base = load_base(job.base, job.dtype, job.section, device, compute, torch.device("cpu") if sharded else device)
    loaded = inspect_base(base, job.base, job.dtype)
    reporter.announce(f"Attaching {job.method} to the base, and comparing the fused layers with its own.")
    fused = fuse_layers(base)
    model = attach(base, job.section, job.base.name)
    initial = sample(parameter for parameter in model.parameters() if parameter.requires_grad)
    body = split_model(model)
    if sharded:
        if opened.last:
            opened.checkpoints.restore_weights(opened.last, model)
        body = shard(body, device)
    model.train()
    return AttachedModel(body, loaded, fused, initial)


def fit_memory_and_time(job: TrainJob, optimiser: Optimiser, opened: OpenedRun, reporter: Reporter) -> Probed:
    """Try the largest micro-batch, then shorten the plan to `max_minutes`, or to the length of the run that is resumed.

    Raises RunBroke if the micro-batch does not fit the memory.
    """
    reporter.announce("Measuring the memory of the largest micro-batch.")
    probed = probe_memory(optimiser, job)
    minutes = job.section.max_minutes
    if opened.last:
        optimiser.shorten(opened.last.cursor.steps)
    elif minutes is not None:
        reporter.announce("Timing a few steps, to plan no more than train.max_minutes allows.")
        optimiser.shorten(optimiser.ranks.jointly(lambda: steps_within(minutes, optimiser, job.validation)))
    return probed


def restore(job: TrainJob, optimiser: Optimiser, opened: OpenedRun, reporter: Reporter) -> Start:
    """Set up elastic weight consolidation, if asked for, then restore the checkpoint, if there is one."""
    body, ewc = optimiser.body, job.section.ewc
    if ewc:  # it measures the base, so it comes before the checkpoint's weights are restored
        reporter.announce("Measuring which weights the reference rows need.")
        optimiser.penalty = Elastic(body, job.reference, ewc.strength, job.section.seed)
    if opened.last is None:
        return Start(0, 0.0, opened.checkpoints.read_history(0))
    if not optimiser.ranks.sharded:
        opened.checkpoints.restore_weights(opened.last, body.model)
    opened.checkpoints.restore_optimiser(opened.last, optimiser.adam)
    cursor = opened.last.cursor
    return Start(cursor.step, cursor.seconds, opened.checkpoints.read_history(cursor.step))
