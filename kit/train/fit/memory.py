"""Try the largest micro-batch before the first step, and propose a smaller size if it does not fit."""

from __future__ import annotations

import ctypes
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from kit.system.machine import compute_type, machine_name
from kit.train.distributed.ranks import Ranks
from kit.train.distributed.sharded import local_bytes
from kit.train.events import Probed
from kit.train.job import RunBroke, TrainJob
from kit.train.plan.estimate import estimate_memory, gib, read_shape
from kit.train.plan.packing import Step
from kit.train.plan.plan import StepPlan, split_rows
from kit.train.state.checkpoint import random_state, set_random_state
from kit.train.step.optimiser import Optimiser

_SAFE = 0.95
_NO_LIMIT = 2**62
_CANNOT = ("can't allocate memory", "Cannot allocate memory", "DefaultCPUAllocator: not enough memory")
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class TooLarge(Exception):
    """A micro-batch does not fit into the memory."""


@dataclass(frozen=True)
class Trial:
    """A micro-batch that was computed: its tokens with padding, its peak memory in bytes, and its seconds."""

    tokens: int
    added: int
    seconds: float


def probe_memory(optimiser: Optimiser, job: TrainJob) -> Probed:
    """Compute the largest micro-batch of the plan and discard its gradients; nothing else changes.

    Raises RunBroke if it does not fit, with a value of `train.batch_tokens` that does; a step keeps its rows.
    """
    plan, device, before = optimiser.plan, optimiser.device, random_state()
    free = _free_for_all(optimiser.ranks, device)
    pieces = (step.part(slice(at, at + 1)) for step in plan.steps for at in range(len(step.micros)))
    soft = plan.section.prompt.tokens if plan.section.method == "prompt" else 0
    largest = max(pieces, key=lambda piece: plan.step_computed(piece) + soft * len(piece.rows))
    try:
        trial, checkpointed = _least_work(optimiser, largest, device, free)
    except TooLarge:
        _propose(optimiser, largest, device, free)
    finally:
        optimiser.adam.zero_grad()
        set_random_state(before)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    gradients = sum(map(local_bytes, optimiser.parameters))
    added = _predicted(job, plan, largest, device, checkpointed)
    predicted = None if added is None else added + gradients
    return Probed(
        trial.tokens,
        predicted,
        trial.added,
        free,
        round(trial.seconds, 3),
        name,
        machine_name(),
        checkpointed=checkpointed,
    )


@contextmanager
def translate_out_of_memory(step: int) -> Iterator[None]:
    """Raise RunBroke if the memory runs out in the middle of a run."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        what = f"The memory ran out in step {step}, although the largest micro-batch fitted before the first step."
        advice = "Another program took memory since. Free it, or lower train.batch_tokens; then: kit train --resume"
        raise RunBroke(what, next=advice) from None


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that this process may still use: on the GPU, or the least of all limits on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_field(Path("/proc/meminfo"), "MemAvailable"), _left_in_group(), _left_of_own_limit()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _least_work(optimiser: Optimiser, largest: Step, device: torch.device, free: int | None) -> tuple[Trial, bool]:
    """Try the micro-batch, with gradient checkpointing only if the recipe asks for it or nothing else fits.

    Return the trial, and whether gradient checkpointing is on; the model keeps that setting. With a sharded model, only
    one setting is tried, because other processes may succeed where this one fails. Raises TooLarge.
    """
    asked, body = optimiser.plan.section.gradient_checkpointing, optimiser.body
    both = asked == "auto" and not optimiser.ranks.sharded and body.base.supports_gradient_checkpointing
    *others, last = (False, True) if both else (asked == "on",)
    for checkpointed in others:
        body.checkpoint_layers(checkpointed)
        with suppress(TooLarge):
            return _try_largest(optimiser, largest, device, free), checkpointed
    body.checkpoint_layers(last)
    return _try_largest(optimiser, largest, device, free), last


def _try_largest(optimiser: Optimiser, largest: Step, device: torch.device, free: int | None) -> Trial:
    """Try one row, then an eighth, then the whole; skip a trial that the one before predicts to be too large.

    The eighth is needed because a single row overestimates: it includes the fixed memory of a pass. Raises TooLarge.
    """
    plan, whole = optimiser.plan, optimiser.plan.step_computed(largest)
    longest = max(largest.rows, key=lambda index: len(plan.rows[index].ids))
    eighth = _of_at_most(plan, largest, max(whole // 8, len(plan.rows[longest].ids)))
    tried = _try(optimiser, Step(((longest,),)), device)
    for piece in (eighth, largest):
        needed = tried.added * plan.step_computed(piece) / tried.tokens
        if _any_too_large(optimiser.ranks, free is not None and needed > _SAFE * free):
            raise TooLarge
        tried = _try(optimiser, piece, device)
    return tried


def _of_at_most(plan: StepPlan, piece: Step, budget: int) -> Step:
    """Return the first and largest micro-batch of the same rows under a smaller budget."""
    section = plan.section.model_copy(update={"batch_tokens": budget})
    return next(split_rows([piece.rows], plan.rows, section, plan.sharing)).part(slice(1))


def _try(optimiser: Optimiser, piece: Step, device: torch.device) -> Trial:
    """Compute a micro-batch. Raises TooLarge, and then frees its memory."""
    optimiser.adam.zero_grad()
    resident, started = forget_peak(device), time.monotonic()
    try:
        loss, _ = optimiser.accumulate(piece)
        float(loss)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
    else:
        added = max(0, peak_bytes(device) - resident)
        return Trial(optimiser.plan.step_computed(piece), added, time.monotonic() - started)
    optimiser.adam.zero_grad()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    raise TooLarge


def _propose(optimiser: Optimiser, piece: Step, device: torch.device, free: int | None) -> NoReturn:
    """Halve the budget until a micro-batch of the same rows fits, and raise RunBroke with that budget.

    With a sharded model nothing more is tried, because other processes may have succeeded.
    """
    plan = optimiser.plan
    longest, budget = max(len(plan.rows[index].ids) for index in piece.rows), plan.step_computed(piece)
    available = "" if free is None else f" {gib(free)} GiB were free."
    what = f"A micro-batch of {budget} tokens does not fit the memory.{available}"
    if optimiser.ranks.sharded:
        raise RunBroke(what, "train.batch_tokens", "Lower it, or start more processes.")
    while budget > longest:
        budget = max(longest, budget // 2)
        try:
            tried = _try(optimiser, _of_at_most(plan, piece, budget), device)
        except TooLarge:
            continue
        fits = f"train.batch_tokens: {budget} fits: {tried.tokens} tokens took {gib(tried.added)} GiB."
        raise RunBroke(what, "train.batch_tokens", f"{fits} The rows of a step, and so the result, stay the same.")
    advice = f"Even its longest row alone, of {longest} tokens, does not fit: shorten it, or choose a smaller base."
    raise RunBroke(what, "train.batch_tokens", advice)


def _predicted(job: TrainJob, plan: StepPlan, piece: Step, device: torch.device, checkpointed: bool) -> int | None:
    """Predict the bytes that a micro-batch adds, without the gradients of the parameters."""
    shape = read_shape(job.base.folder)
    if shape is None:
        return None
    compute = compute_type(job.section.compute, job.dtype, device.type)
    sizes = plan.step_computed(piece), plan.step_labels(piece), len(piece.rows)
    section = job.section.model_copy(update={"gradient_checkpointing": "on" if checkpointed else "off"})
    memory = estimate_memory(shape, section, compute, *sizes)
    return None if memory is None else memory.batch


def _free_for_all(ranks: Ranks, device: torch.device) -> int | None:
    """Return the free bytes of this process; with a sharded model, the least of all processes."""
    free = free_memory(device)
    if not ranks.sharded:
        return free
    least = -ranks.maximum(-(_NO_LIMIT if free is None else free))
    return None if least == _NO_LIMIT else least


def _any_too_large(ranks: Ranks, too_large: bool) -> bool:
    """Whether it is too large: with a sharded model, for any process; otherwise for this one."""
    return bool(ranks.maximum(int(too_large))) if ranks.sharded else too_large


def _out_of_memory(error: BaseException) -> bool:
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in _CANNOT)


def forget_peak(device: torch.device) -> int:
    """Reset the peak; return the bytes in use now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return int(torch.cuda.memory_allocated(device))
    if _RESET.is_file():
        _trim_heap()
        _RESET.write_text("5")
    return _field(_STATUS, "VmRSS") or peak_bytes(device)


def _trim_heap() -> None:
    """Return the C library's free memory to the system, so that memory which a batch reuses counts as well."""
    with suppress(OSError, AttributeError):  # not every system's library has it
        ctypes.CDLL(None).malloc_trim(0)


def peak_bytes(device: torch.device) -> int:
    """Return the most bytes in use since `forget_peak`, or since the start if the system cannot reset it."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _field(_STATUS, "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _field(file: Path, name: str) -> int | None:
    """Return a field of a table of the kernel in bytes; the table is in kB."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _left_in_group() -> int | None:
    """Return the bytes that the control group of this process may still use."""
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if not (limit.is_file() and used.is_file()) or not limit.read_text().strip().isdigit():
        return None
    return int(limit.read_text()) - int(used.read_text())


def _left_of_own_limit() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    taken = _field(_STATUS, "VmSize")
    return None if limit == resource.RLIM_INFINITY or taken is None else max(0, limit - taken)
