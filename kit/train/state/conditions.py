"""Device, threads, and the conditions under which a run can be repeated to the bit."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

_CPUS = Path("/sys/devices/system/cpu")


def training_device() -> torch.device:
    """Return the device that accelerate chooses for this process."""
    device: torch.device = PartialState().device
    return device


def physical_cores() -> int:
    """Return the number of physical cores that this process may use; threads of one core count once.

    The environment variable OMP_NUM_THREADS, OpenMP's own limit, lowers it.
    """
    cores = _cores()
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(cores, int(limit)) if limit.isdigit() and int(limit) > 0 else cores


def _cores() -> int:
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    siblings = [_CPUS / f"cpu{number}/topology/thread_siblings_list" for number in usable]
    if not all(path.is_file() for path in siblings):
        return len(siblings)
    return len({path.read_text() for path in siblings})


def conditions(device: torch.device, threads: int) -> dict[str, str]:
    """Return what must be the same so that a resumed run equals the uninterrupted one, by name."""
    libraries = {name: version(name) for name in ("torch", "transformers", "peft")}
    if device.type == "cpu":
        return {**libraries, "kernels": torch.backends.cpu.get_cpu_capability(), "threads": str(threads)}
    return {**libraries, "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type}


@contextmanager
def repeatable(device: torch.device, threads: int) -> Iterator[None]:
    """Set the threads and, on a CPU, allow only deterministic kernels; restore both afterwards."""
    flags: Any = torch.utils.deterministic
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), flags.fill_uninitialized_memory
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(device.type == "cpu")
    flags.fill_uninitialized_memory = False  # every value here is written before it is read
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        torch.use_deterministic_algorithms(before[1])
        flags.fill_uninitialized_memory = before[2]
