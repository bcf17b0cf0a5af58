"""Checks the user's own arguments for vLLM against the installed version, before anything loads.

The names are read from vLLM's source: importing it takes seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from kit.errors import InputError, Problem, nearest

_OURS = {
    "model": "the bundle decides it",
    "tokenizer": "the bundle has its own",
    "revision": "the bundle decides it",
    "hf_overrides": "it changes the model that was measured",
    "load_format": "it changes the model that was measured",
    "trust_remote_code": "code from a model's folder never runs here",
    "max_model_len": "use serve.max_length",
    "max_logprobs": "the routes need it as it is",
    "logprobs_mode": "the proof needs it as it is",
    "structured_outputs_config": "typed answers need it as it is",
    "generation_config": "the seal has the defaults",
    "enable_lora": "the bundles decide it",
    "max_loras": "the bundles decide it",
    "max_cpu_loras": "the bundles decide it",
    "max_lora_rank": "the bundles decide it",
    "lora_target_modules": "the bundles decide it",
    "enable_chunked_prefill": "requests with a seed need it as it is",
    "disable_log_stats": "the service has its own figures",
    "skip_tokenizer_init": "the engine needs its tokenizer",
    "runner": "the service needs a model that writes",
}


def check_arguments(names: Iterable[str], where: str = "serve.vllm.extra") -> None:
    """Raise InputError for each argument that vLLM does not have, or that the service decides itself."""
    problems = []
    known = known_arguments()
    for name in names:
        place = f"{where}.{name}"
        if name in _OURS:
            problems.append(Problem(f"The argument '{name}' cannot be set: {_OURS[name]}.", place, "Remove it."))
        elif known and name not in known:
            advice = nearest(name, sorted(known)) or "See the engine arguments in vLLM's documentation."
            problems.append(Problem(f"The installed vLLM has no argument '{name}'.", place, advice))
    if problems:
        raise InputError(problems)


def known_arguments() -> frozenset[str]:
    """Return the names of the arguments of vLLM's engine; empty if vLLM is not installed."""
    found = find_spec("vllm")
    if found is None or found.origin is None:
        return frozenset()
    source = Path(found.origin).parent / "engine" / "arg_utils.py"
    tree = ast.parse(source.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    fields = [
        each.target.id
        for name in ("EngineArgs", "AsyncEngineArgs")
        for each in classes[name].body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    ]
    return frozenset(fields)
