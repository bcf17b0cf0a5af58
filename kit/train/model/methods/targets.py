"""Check the target modules that a recipe names; a name that matches nothing is an error."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from kit.errors import InputError, Problem, nearest

HEAD = "lm_head"


def refuse_targets(model: nn.Module, targets: str | Sequence[str], where: str) -> None:
    """Raise InputError for every name that matches no linear module; peft would ignore it if another name matches."""
    if targets == "all-linear":
        return
    names = linear_names(model)
    last = sorted({name.rsplit(".", 1)[-1] for name in names} - {HEAD})
    problems = [
        Problem(f"No linear module of the model is called '{target}'.", where, _advice(target, last))
        for target in ([targets] if isinstance(targets, str) else targets)
        if target.rsplit(".", 1)[-1] == HEAD or not any(f".{name}".endswith(f".{target}") for name in names)
    ]
    if problems:
        raise InputError(problems)


def linear_names(model: nn.Module) -> list[str]:
    """Return the full names of all linear modules."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def _advice(target: str, known: list[str]) -> str:
    if target.rsplit(".", 1)[-1] == HEAD:
        return "The output head is not adapted: it may share its weights with the embeddings."
    return nearest(target, known) or f"Known: {', '.join(known)}; or 'all-linear'."
