"""What an evaluation will ask: checks as much as possible before any engine starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kit.bundle.store import Bundle, Store
from kit.bundle.verify import verify_files
from kit.data.split import limited
from kit.engines import Kind, check_installed
from kit.errors import InputError
from kit.evals.measure import BASE, TUNED
from kit.project.project import AnyExample, Data, Project, data_of
from kit.recipe import EvalSection
from kit.recipe.validation import dotted, problems_of
from kit.workflows.evaluation import EvaluationPlan
from kit.workflows.steps.engines import engine_kind, sealed_base


@dataclass(frozen=True)
class Prepared:
    """A bundle with verified files, and the project's test examples, checked against this bundle.

    `ref` is what the user called the bundle; `base` is the folder of the base, where the user gave one. `few_shot` is
    the greatest number of training examples for the base's prompts; 0: the base is not asked so. `apart` is the file of
    examples that are measured instead of the test examples, if any: that attests nothing.
    """

    project: Project
    bundle: Bundle
    settings: EvalSection
    data: tuple[Data, ...]
    with_base: bool
    ref: str
    base: Path | None
    few_shot: int = 0
    apart: Path | None = None

    def examples(self, data: Data, who: str) -> list[AnyExample]:
        """Return the test examples for one column: all, or for the base only the first ones if the user set a limit."""
        return limited(data.examples("test"), None if who == TUNED else self.settings.base_limit)

    def count(self, who: str) -> int:
        """Return the number of test examples for one column, of all tasks."""
        return sum(len(self.examples(data, who)) for data in self.data)

    @property
    def kind(self) -> Kind:
        """The engine that answers."""
        return engine_kind([self.bundle], self.settings.engine)


def prepare(
    root: Path,
    ref: str,
    asked: Mapping[str, Any],
    with_base: bool,
    base: Path | None = None,
    few_shot: int = 0,
    apart: Path | None = None,
) -> Prepared:
    """Verify a bundle's files and the test examples. Raises InputError with all of their problems, or Refused."""
    if few_shot < 0 or (few_shot and not with_base):
        what = "Few-shot asks the base with examples in its prompt, so it needs the base and a number above 0."
        raise InputError(what, next="Ask for few-shot without leaving out the base, or leave few-shot out.")
    project = Project.find(root)
    bundle = Store(project.root).get(ref)
    verify_files(bundle)
    settings = _settings(bundle.recipe.eval, {key: value for key, value in asked.items() if value is not None})
    recipe = bundle.recipe.model_copy(update={"eval": settings})
    found = tuple(data_of(project.root, recipe, bundle.tasks()))
    if apart is not None:
        found = (_of_file(found, apart),)
    for data in found:
        data.require_measurable(bundle.renderer())
    return Prepared(project, bundle, settings, found, with_base, ref, base, few_shot, apart)


def _of_file(found: Sequence[Data], file: Path) -> Data:
    """Return the data of the only task, with this file in place of its test file."""
    if len(found) > 1:
        raise InputError("The bundle has several tasks, and a file has the examples of one.", "data", "Leave it out.")
    (data,) = found
    return replace(data, own=data.settings.model_copy(update={"test": str(file.absolute())}))


def _settings(sealed: EvalSection, asked: Mapping[str, Any]) -> EvalSection:
    try:
        return EvalSection.model_validate({**sealed.model_dump(), **asked})
    except ValidationError as error:
        raise InputError(problems_of(error, EvalSection, dotted)) from None


def plan_of(prepared: Prepared) -> EvaluationPlan:
    """Return what the evaluation would do, in plain values, once its engine and its base are found to be here."""
    check_installed(prepared.kind)
    if prepared.with_base or prepared.bundle.seal.form == "adapter":
        sealed_base(prepared.bundle, prepared.project.root, prepared.base)
    of_base = prepared.count(BASE) if prepared.with_base else 0
    return EvaluationPlan(prepared.bundle.digest, prepared.kind, prepared.count(TUNED), of_base, prepared.few_shot)
