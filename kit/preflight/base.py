"""Checks of a base model: one line per subject, each problem with its file and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kit.base.soundness import Soundness, inspect_model
from kit.chat import Renderer
from kit.checks import Check
from kit.errors import InputError, KitError, Problem
from kit.task import FreeText, Message, Prompt

BASE = "base"
"""Name of the check that the base is on this machine. The checks of rows and many others depend on it."""
_LATER = "They are checked when the model is loaded."


def check_soundness(base: Path, template_args: Mapping[str, Any]) -> list[Check]:
    """Check a base's folder: its files, tensors, token ids and values, and its chat template."""
    found = inspect_model(base)
    checks = [
        _of("base.files", found.files, "Configuration and weights are complete."),
        _tensors(found),
        _of("base.ids", found.ids, "Every token of the tokenizer and every end token has an embedding."),
        _of("base.values", found.values, "All weights are finite numbers."),
    ]
    return [*checks, _template(base, template_args) if is_sound(checks) else _hidden("base.template")]


def is_sound(checks: Sequence[Check]) -> bool:
    """Whether no check failed."""
    return not any(check.state == "failed" for check in checks)


def refuse_unsound_base(base: Path, template_args: Mapping[str, Any]) -> None:
    """Raise InputError with everything that is wrong with a base's folder or its chat template."""
    checks = check_soundness(base, template_args)
    if problems := [problem for check in checks if check.state == "failed" for problem in check.problems]:
        raise InputError(problems)


def _of(name: str, problems: Sequence[Problem] | None, right: str) -> Check:
    if problems is None:
        return _hidden(name)
    return Check.failed(name, KitError(list(problems))) if problems else Check(name, "held", right)


def _tensors(found: Soundness) -> Check:
    name = "base.tensors"
    if found.unknown:
        what = f"The names of the tensors were not compared: {found.unknown}."
        return Check(name, "unmeasured", what, (Problem(what, next=_LATER),))
    return _of(name, found.tensors, f"The files hold the model's {found.tensor_count} tensors and no others.")


def _hidden(name: str) -> Check:
    return Check(name, "unmeasured", "This check needs valid files.", waits_for=BASE)


def _template(base: Path, template_args: Mapping[str, Any]) -> Check:
    """Check the chat template: render a row as in training, and a longer dialogue as in serving."""
    name = "base.template"
    try:
        renderer = Renderer(base, template_args)
        question, reply = Message.of("user", "Hello"), Message.of("assistant", "Good day")
        renderer.supervised(Prompt(FreeText(), 16, (question,)), "Good day")
        renderer.dialogue([question, reply, question], generation=True)
    except InputError as error:
        return Check.failed(name, error)
    return Check(name, "held", f"The chat template writes known tokens, and ends a turn with id {renderer.turn_end}.")
