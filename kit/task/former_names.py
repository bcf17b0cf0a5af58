"""Former names of modules, for projects whose files still import them."""

from __future__ import annotations

MOVED = {
    "kit.answer": "kit.engines.answerer",
    "kit.bundle.disk": "kit.system.disk",
    "kit.base_checks": "kit.preflight.base",
    "kit.bundle.parity": "kit.bundle.scoring",
    "kit.bundle.trained": "kit.bundle.training_record",
    "kit.data.augmented": "kit.data.augmentation.provenance",
    "kit.data.augmenting": "kit.data.augmentation.augmenting",
    "kit.data.blank": "kit.data.checking.blank",
    "kit.data.ceiling": "kit.data.checking.ceiling",
    "kit.data.checks": "kit.data.checking.checks",
    "kit.data.duplicates": "kit.data.checking.duplicates",
    "kit.data.earlier": "kit.data.tested_groups",
    "kit.data.endpoint": "kit.data.augmentation.endpoint",
    "kit.data.foreign": "kit.data.not_jsonl",
    "kit.data.general": "kit.data.additional",
    "kit.data.labels": "kit.data.checking.labels",
    "kit.data.leaks": "kit.data.checking.leaks",
    "kit.data.rewording": "kit.data.augmentation.rewording",
    "kit.decoding": "kit.system.decoding",
    "kit.engines.adapters": "kit.adapters.format",
    "kit.evals.leaks": "kit.evals.data_gates",
    "kit.files": "kit.system.files",
    "kit.loader": "kit.task.loader",
    "kit.machine": "kit.system.machine",
    "kit.ranges": "kit.preflight.ranges",
    "kit.runs": "kit.project.runs",
    "kit.scaffold": "kit.project.template",
    "kit.servability": "kit.preflight.servability",
    "kit.task_copy": "kit.task.copy",
    "kit.task_fault": "kit.task.fault",
    "kit.task_files": "kit.task.files",
    "kit.validation": "kit.recipe.validation",
    "kit.wording": "kit.recipe.wording",
    "kit.yaml_source": "kit.recipe.yaml_source",
}


def new_name(error: BaseException) -> str:
    """Return the module's new name as advice, if an import failed because of its former name; otherwise ""."""
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    return f"This module is now {MOVED[name]}: change the import." if name in MOVED else ""
