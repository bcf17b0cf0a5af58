"""The steps of an augmentation: choose the examples, reword them, write one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kit.data.augmentation.augmenting import Method, augment
from kit.data.augmentation.endpoint import Endpoint
from kit.data.augmentation.provenance import validation_groups
from kit.data.augmentation.rewording import by_table
from kit.data.formats import DataFile, read_file, write_examples
from kit.data.split import limited
from kit.errors import InputError, Problem
from kit.project.project import Data, Project
from kit.workflows.augmentation import Augmentation, AugmentPlan
from kit.workflows.events import Counted, Note, Report
from kit.workflows.steps.arguments import refuse_meaningless


@dataclass(frozen=True)
class Settings:
    """How examples are reworded; the meanings and defaults are those of `kit.workflows.augment`."""

    method: str
    copies: int = 1
    limit: int | None = None
    seed: int = 0
    url: str | None = None
    model: str | None = None
    key: str | None = None
    temperature: float = 0.7
    language: str = "French"
    original: str = "English"
    concurrency: int = 8

    def refuse_meaningless(self) -> None:
        """Raise InputError with every setting that is out of its bounds."""
        refuse_meaningless(
            method=self.method,
            copies=self.copies,
            limit=self.limit,
            temperature=self.temperature,
            concurrency=self.concurrency,
        )


@dataclass(frozen=True)
class Prepared:
    """A plan, and the data and task that were read to make it."""

    plan: AugmentPlan
    data: Data
    file: DataFile


def perform(
    root: Path,
    source: str | Path | None,
    target: str | Path | None,
    task: str | None,
    settings: Settings,
    replace: bool,
    report: Report,
) -> Augmentation:
    """Make the examples and write them. Raises as `kit.workflows.augment` says."""
    ready = prepare(root, source, target, task, settings, replace)
    plan, file = ready.plan, ready.file
    report(Note(f"Rewording {len(plan.examples)} examples of {plan.source.name}."))
    at_once = 1 if settings.method == "rules" else settings.concurrency

    def advance(done: int, total: int) -> None:
        report(Counted("Rewording", done, total))

    made = augment(ready.data.task, plan.examples, _method(settings), settings.copies, at_once, advance)
    write_examples(plan.target, [*file.examples, *made.examples])
    return Augmentation(plan, len(file.examples), made.examples, made.left_out)


def prepare(
    root: Path,
    source: str | Path | None,
    target: str | Path | None,
    task: str | None,
    settings: Settings,
    replace: bool,
) -> Prepared:
    """Read the source and choose its examples. Raises InputError as `kit.workflows.augment` says."""
    settings.refuse_meaningless()
    project = Project.find(root)
    data = project.data(project.recipe(), task)
    path = Path(source or project.root / data.settings.train).absolute()
    new = Path(target or path.with_name(f"{path.stem}-augmented{path.suffix}")).absolute()
    if new.exists() and not replace:
        raise InputError("This file exists and is not overwritten.", str(new), "Use --replace to overwrite it.")
    if new == path:
        raise InputError("Source and target are the same file.", str(path), "Name another with --to.")
    if settings.method != "rules" and not settings.url:
        raise InputError("An endpoint is missing.", "--url", "Add, for example: --url http://127.0.0.1:8000/v1")
    file = read_file(path, data.task)
    _refuse_tested(data, file)
    own = data.settings.validation is not None
    held = set() if own else validation_groups(file.examples, data.settings.validation_share)
    kept = [example for example in file.examples if example.group not in held]
    chosen = tuple(limited(kept, settings.limit))
    return Prepared(AugmentPlan(path, new, chosen, len(file.examples) - len(kept)), data, file)


def _refuse_tested(data: Data, file: DataFile) -> None:
    """Raise InputError with every example whose group is also in a validation or test file."""
    tested = {example.group for example in data.test_file.examples}
    tested |= {example.group for example in data.validation_file.examples} if data.validation_file else set()
    problems = [
        Problem(f"The group '{each.group}' is also in the test or validation file.", file.places[each.id])
        for each in file.examples
        if each.group in tested
    ]
    if problems:
        advice = "Augment training examples only."
        raise InputError([*problems[:-1], Problem(problems[-1].what, problems[-1].where, advice)])


def _method(settings: Settings) -> Method:
    seed = settings.seed
    if settings.method == "rules":
        return Method("rules", {}, lambda example, copy: by_table(f"{seed}/{example.id}/{copy}"))
    endpoint = Endpoint(settings.url or "", settings.model, settings.key, settings.temperature)
    facts = {"model": settings.model or "the endpoint's default"}
    if settings.method == "paraphrase":
        return Method("paraphrase", facts, lambda _, copy: endpoint.paraphrase(seed + copy))
    language, original = settings.language, settings.original
    facts["by_way_of"] = language
    return Method("back-translation", facts, lambda _, copy: endpoint.back_translation(language, original, seed + copy))
