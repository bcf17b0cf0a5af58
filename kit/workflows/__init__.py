"""The Python API: one typed function for each thing a user does. The command line prints what they return.

Every function takes plain arguments, returns a frozen result, reports progress to the callback `report`, and raises
`KitError` on errors. It prints nothing and never exits the process. Importing this package is cheap: its modules
load when one of their names is used, and torch, vLLM and transformers when a function needs them.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "accounting": (
        "UsageReport",
        "UsageRow",
        "usage",
    ),
    "aliases": (
        "AliasState",
        "ServiceState",
        "list_aliases",
        "promote",
        "rollback",
        "service_state",
    ),
    "asking": ("ask",),
    "auditing": (
        "AuditCheck",
        "audit_entries",
        "verify_audit",
    ),
    "augmentation": (
        "augment",
        "plan_augment",
    ),
    "checking": (
        "CheckReport",
        "check",
    ),
    "creation": (
        "NewPlan",
        "NewProject",
        "TemplateSummary",
        "list_templates",
        "new",
        "plan_new",
    ),
    "demonstration": (
        "DemoPlan",
        "DemoResult",
        "DemoStep",
        "demo",
        "plan_demo",
    ),
    "evaluation": (
        "EvaluationPlan",
        "EvaluationResult",
        "Score",
        "evaluate",
        "plan_evaluate",
    ),
    "events": (
        "Counted",
        "Note",
        "Report",
        "ignore",
    ),
    "importing": (
        "document_text",
        "import_data",
        "import_set",
        "importers",
        "plan_import_data",
        "plan_import_set",
    ),
    "keys": (
        "KeySummary",
        "NewToken",
        "list_keys",
        "new_key",
        "revoke_key",
        "rotate_key",
    ),
    "packaging": (
        "Package",
        "package",
        "plan_package",
    ),
    "runs": (
        "ExplainedRow",
        "RunSummary",
        "StepExplanation",
        "explain_step",
        "list_runs",
    ),
    "searching": (
        "SearchPlan",
        "SearchResult",
        "plan_search",
        "search",
    ),
    "service": (
        "Service",
        "ServicePlan",
        "ServiceSettings",
        "Serving",
        "plan_serve",
        "run_service",
        "serve",
        "service_settings",
    ),
    "signing": (
        "FoundSignature",
        "Signed",
        "Verification",
        "sign",
        "verify",
    ),
    "splitting": (
        "plan_split_data",
        "split_data",
    ),
    "training": (
        "TrainPlan",
        "TrainResult",
        "plan_train",
        "train",
    ),
    "updating": (
        "UpdateResult",
        "plan_update",
        "update",
    ),
    "watching": (
        "BundleLoad",
        "ServiceLoad",
        "service_load",
    ),
}
"""The public names by module. `__init__.pyi` has the same for type checkers; a test compares them."""

_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = sorted(_MODULES)  # the names are in the table


def __getattr__(name: str) -> Any:
    """Load a public name from its module, once."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return list(__all__)
