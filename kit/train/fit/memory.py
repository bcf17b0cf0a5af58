"""Tries the largest micro-batch before a run begins, and says which size fits where it does not."""

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
    """A micro-batch does not fit the memory."""


@dataclass(frozen=True)
class Trial:
    """A micro-batch that was computed: its tokens with padding, the bytes that it added at its peak, and seconds."""

    tokens: int
    added: int
    seconds: float


def probe_memory(optimiser: Optimiser, job: TrainJob) -> Probed:
    """Compute the plan's largest micro-batch, and throw its gradients away; model and random states stay as they are.

    Raises RunBroke where it does not fit, with the `train.batch_tokens` that does: the rows of a step stay the same.
    """
    plan, device, before = optimiser.plan, optimiser.device, random_state()
    free = _free_for_all(optimiser.ranks, device)
    pieces = (step.part(slice(at, at + 1)) for step in plan.steps for at in range(len(step.micros)))
    soft = plan.section.prompt.tokens if plan.section.method == "prompt" else 0
    largest = max(pieces, key=lambda piece: plan.step_computed(piece) + soft * len(piece.rows))
    try:
        tried, again = _least_work(optimiser, largest, device, free)
    except TooLarge:
        _propose(optimiser, largest, device, free)
    finally:
        optimiser.adam.zero_grad()
        set_random_state(before)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    gradients = sum(map(local_bytes, optimiser.parameters))
    added = _predicted(job, plan, largest, device, again)
    predicted = None if added is None else added + gradients
    return Probed(
        tried.tokens, predicted, tried.added, free, round(tried.seconds, 3), name, machine_name(), checkpointed=again
    )


@contextmanager
def translate_out_of_memory(step: int) -> Iterator[None]:
    """Turn memory that runs out in the middle of a run into a sentence. Raises RunBroke."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        what = f"The memory does not hold step {step}, although the largest micro-batch was tried before."
        advice = "Something else took memory since. Lower train.batch_tokens, or free memory: kit train --resume"
        raise RunBroke(what, next=advice) from None


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process may still take: of the GPU, or of the machine, its group and its own limit."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    limits = [_field(Path("/proc/meminfo"), "MemAvailable"), _left_in_group(), _left_of_own_limit()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _least_work(optimiser: Optimiser, largest: Step, device: torch.device, free: int | None) -> tuple[Trial, bool]:
    """Try the micro-batch, with gradient checkpointing only where the recipe says so or nothing else fits.

    Return what was tried, and whether with it; the model stays that way. Of a sharded model one way alone is tried,
    since the other processes may have come through. Raises TooLarge.
    """
    asked, body = optimiser.plan.section.gradient_checkpointing, optimiser.body
    both = asked == "auto" and not optimiser.ranks.sharded and body.base.supports_gradient_checkpointing
    *others, last = (False, True) if both else (asked == "on",)
    for again in others:
        body.checkpoint_layers(again)
        with suppress(TooLarge):
            return _try_largest(optimiser, largest, device, free), again
    body.checkpoint_layers(last)
    return _try_largest(optimiser, largest, device, free), last


def _try_largest(optimiser: Optimiser, largest: Step, device: torch.device, free: int | None) -> Trial:
    """Try one row, an eighth, and all; what seems too large by the one before is not tried at all. Raises TooLarge.

    One row alone tells too much: what a pass takes once looks as if every row took it.
    """
    plan, whole = optimiser.plan, optimiser.plan.step_computed(largest)
    longest = max(largest.rows, key=lambda index: len(plan.rows[index].ids))
    eighth = _of_at_most(plan, largest, max(whole // 8, len(plan.rows[longest].ids)))
    tried = _try(optimiser, Step(((longest,),)), device)
    for piece in (eighth, largest):
        needed = tried.added * plan.step_computed(piece) / tried.tokens
        if _agreed(optimiser.ranks, free is not None and needed > _SAFE * free):
            raise TooLarge
        tried = _try(optimiser, piece, device)
    return tried


def _of_at_most(plan: StepPlan, piece: Step, budget: int) -> Step:
    """The first and largest micro-batch of the same rows under a smaller budget."""
    section = plan.section.model_copy(update={"batch_tokens": budget})
    return next(split_rows([piece.rows], plan.rows, section, plan.sharing)).part(slice(1))


def _try(optimiser: Optimiser, piece: Step, device: torch.device) -> Trial:
    """Raises TooLarge; nothing of the attempt stays in memory."""
    optimiser.adam.zero_grad()
    resident, began = forget_peak(device), time.monotonic()
    try:
        loss, _ = optimiser.accumulate(piece)
        float(loss)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
    else:
        added = max(0, peak_bytes(device) - resident)
        return Trial(optimiser.plan.step_computed(piece), added, time.monotonic() - began)
    optimiser.adam.zero_grad()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    raise TooLarge


def _propose(optimiser: Optimiser, piece: Step, device: torch.device, free: int | None) -> NoReturn:
    """Halve the budget until a micro-batch of the same rows fits, and raise RunBroke with it.

    Of a sharded model nothing more is tried: the other processes may have come through.
    """
    plan = optimiser.plan
    longest, budget = max(len(plan.rows[index].ids) for index in piece.rows), plan.step_computed(piece)
    had = "" if free is None else f" {gib(free)} GiB were free."
    what = f"A micro-batch of {budget} tokens does not fit the memory.{had}"
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
    advice = f"Not even its longest row, of {longest} tokens, fits alone: shorten it, or choose a smaller base."
    raise RunBroke(what, "train.batch_tokens", advice)


def _predicted(job: TrainJob, plan: StepPlan, piece: Step, device: torch.device, again: bool) -> int | None:
    """Bytes that a micro-batch adds, beside the gradients that its backward pass leaves."""
    shape = read_shape(job.base.folder)
    if shape is None:
        return None
    compute = compute_type(job.section.compute, job.dtype, device.type)
    sizes = plan.step_computed(piece), plan.step_labels(piece), len(piece.rows)
    section = job.section.model_copy(update={"gradient_checkpointing": "on" if again else "off"})
    memory = estimate_memory(shape, section, compute, *sizes)
    return None if memory is None else memory.batch


def _free_for_all(ranks: Ranks, device: torch.device) -> int | None:
    """What this process may still take; of a sharded model, what the process with the least may."""
    free = free_memory(device)
    if not ranks.sharded:
        return free
    least = -ranks.maximum(-(_NO_LIMIT if free is None else free))
    return None if least == _NO_LIMIT else least


def _agreed(ranks: Ranks, too_large: bool) -> bool:
    """Whether any process of a sharded model finds it too large; else each judges for itself."""
    return bool(ranks.maximum(int(too_large))) if ranks.sharded else too_large


def _out_of_memory(error: BaseException) -> bool:
    kinds = (torch.OutOfMemoryError, MemoryError)
    return isinstance(error, kinds) or any(words in str(error) for words in _CANNOT)


def forget_peak(device: torch.device) -> int:
    """Forget earlier peaks; return the bytes that are taken now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return int(torch.cuda.memory_allocated(device))
    if _RESET.is_file():
        _give_back()
        _RESET.write_text("5")
    return _field(_STATUS, "VmRSS") or peak_bytes(device)


def _give_back() -> None:
    """Let the C library return what it keeps for later: taken from that, a batch would seem to need no memory."""
    with suppress(OSError, AttributeError):  # not every system's library has it
        ctypes.CDLL(None).malloc_trim(0)


def peak_bytes(device: torch.device) -> int:
    """Most bytes taken since `forget_peak`, or of the process where the system cannot forget."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return _field(_STATUS, "VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _field(file: Path, name: str) -> int | None:
    """A value of one of the kernel's tables, in bytes; they are in kB there."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")), None)


def _left_in_group() -> int | None:
    """What the control group that this process is in may still take."""
    limit, used = (Path("/sys/fs/cgroup") / name for name in ("memory.max", "memory.current"))
    if not (limit.is_file() and used.is_file()) or not limit.read_text().strip().isdigit():
        return None
    return int(limit.read_text()) - int(used.read_text())


def _left_of_own_limit() -> int | None:
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    taken = _field(_STATUS, "VmSize")
    return None if limit == resource.RLIM_INFINITY or taken is None else max(0, limit - taken)
