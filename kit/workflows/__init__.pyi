from kit.workflows.aliases import AliasState, ServiceState, list_aliases, promote, rollback, service_state
from kit.workflows.asking import ask
from kit.workflows.augmentation import augment, plan_augment
from kit.workflows.checking import CheckReport, check
from kit.workflows.creation import NewPlan, NewProject, TemplateSummary, list_templates, new, plan_new
from kit.workflows.demonstration import DemoPlan, DemoResult, DemoStep, demo, plan_demo
from kit.workflows.evaluation import EvaluationPlan, EvaluationResult, Score, evaluate, plan_evaluate
from kit.workflows.events import Counted, Note, Report, ignore
from kit.workflows.importing import document_text, import_data, import_set, importers, plan_import_data, plan_import_set
from kit.workflows.keys import KeySummary, NewToken, list_keys, new_key, revoke_key, rotate_key
from kit.workflows.packaging import Package, package, plan_package
from kit.workflows.runs import ExplainedRow, RunSummary, StepExplanation, explain_step, list_runs
from kit.workflows.searching import SearchPlan, SearchResult, plan_search, search
from kit.workflows.service import (
    Service,
    ServicePlan,
    ServiceSettings,
    Serving,
    plan_serve,
    run_service,
    serve,
    service_settings,
)
from kit.workflows.splitting import plan_split_data, split_data
from kit.workflows.training import TrainPlan, TrainResult, plan_train, train
from kit.workflows.updating import UpdateResult, plan_update, update

__all__ = [
    "AliasState",
    "CheckReport",
    "Counted",
    "DemoPlan",
    "DemoResult",
    "DemoStep",
    "EvaluationPlan",
    "EvaluationResult",
    "ExplainedRow",
    "KeySummary",
    "NewPlan",
    "NewProject",
    "NewToken",
    "Note",
    "Package",
    "Report",
    "RunSummary",
    "Score",
    "SearchPlan",
    "SearchResult",
    "Service",
    "ServicePlan",
    "ServiceSettings",
    "ServiceState",
    "Serving",
    "StepExplanation",
    "TemplateSummary",
    "TrainPlan",
    "TrainResult",
    "UpdateResult",
    "ask",
    "augment",
    "check",
    "demo",
    "document_text",
    "evaluate",
    "explain_step",
    "ignore",
    "import_data",
    "import_set",
    "importers",
    "list_aliases",
    "list_keys",
    "list_runs",
    "list_templates",
    "new",
    "new_key",
    "package",
    "plan_augment",
    "plan_demo",
    "plan_evaluate",
    "plan_import_data",
    "plan_import_set",
    "plan_new",
    "plan_package",
    "plan_search",
    "plan_serve",
    "plan_split_data",
    "plan_train",
    "plan_update",
    "promote",
    "revoke_key",
    "rollback",
    "rotate_key",
    "run_service",
    "search",
    "serve",
    "service_settings",
    "service_state",
    "split_data",
    "train",
    "update",
]
