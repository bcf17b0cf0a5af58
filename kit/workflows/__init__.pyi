from kit.workflows.accounting import UsageReport, UsageRow, usage
from kit.workflows.aliases import AliasState, ServiceState, list_aliases, promote, rollback, service_state
from kit.workflows.asking import ask
from kit.workflows.auditing import AuditCheck, audit_entries, verify_audit
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
from kit.workflows.signing import FoundSignature, Signed, Verification, sign, verify
from kit.workflows.splitting import plan_split_data, split_data
from kit.workflows.training import TrainPlan, TrainResult, plan_train, train
from kit.workflows.updating import UpdateResult, plan_update, update
from kit.workflows.watching import BundleLoad, ServiceLoad, service_load

__all__ = [
    "AliasState",
    "AuditCheck",
    "BundleLoad",
    "CheckReport",
    "Counted",
    "DemoPlan",
    "DemoResult",
    "DemoStep",
    "EvaluationPlan",
    "EvaluationResult",
    "ExplainedRow",
    "FoundSignature",
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
    "ServiceLoad",
    "ServicePlan",
    "ServiceSettings",
    "ServiceState",
    "Serving",
    "Signed",
    "StepExplanation",
    "TemplateSummary",
    "TrainPlan",
    "TrainResult",
    "UpdateResult",
    "UsageReport",
    "UsageRow",
    "Verification",
    "ask",
    "audit_entries",
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
    "service_load",
    "service_settings",
    "service_state",
    "sign",
    "split_data",
    "train",
    "update",
    "usage",
    "verify",
    "verify_audit",
]
