"""The Python API: one typed function for each thing a user does. The command line prints what they return.

Every function takes plain arguments, returns a frozen result, reports progress to the callback `report`, and raises
`KitError` on errors. It prints nothing and never exits the process. Importing this package is cheap: torch, vLLM and
transformers load only when a function needs them.
"""

from kit.workflows.ask import ask
from kit.workflows.augment import augment, plan_augment
from kit.workflows.check import CheckReport, check
from kit.workflows.demo import DemoPlan, DemoResult, DemoStep, demo, plan_demo
from kit.workflows.evaluate import EvaluationPlan, EvaluationResult, Score, evaluate, plan_evaluate
from kit.workflows.events import Counted, Note, Report, ignore
from kit.workflows.import_data import import_data, import_set, importers, plan_import_data, plan_import_set
from kit.workflows.new import NewPlan, NewProject, TemplateSummary, list_templates, new, plan_new
from kit.workflows.runs import ExplainedRow, RunSummary, StepExplanation, explain_step, list_runs
from kit.workflows.search import SearchPlan, SearchResult, plan_search, search
from kit.workflows.serve import Service, ServicePlan, Serving, plan_serve, run_service, serve
from kit.workflows.split_data import plan_split_data, split_data
from kit.workflows.train import TrainPlan, TrainResult, plan_train, train

__all__ = [
    "CheckReport",
    "Counted",
    "DemoPlan",
    "DemoResult",
    "DemoStep",
    "EvaluationPlan",
    "EvaluationResult",
    "ExplainedRow",
    "NewPlan",
    "NewProject",
    "Note",
    "Report",
    "RunSummary",
    "Score",
    "SearchPlan",
    "SearchResult",
    "Service",
    "ServicePlan",
    "Serving",
    "StepExplanation",
    "TemplateSummary",
    "TrainPlan",
    "TrainResult",
    "ask",
    "augment",
    "check",
    "demo",
    "evaluate",
    "explain_step",
    "ignore",
    "import_data",
    "import_set",
    "importers",
    "list_runs",
    "list_templates",
    "new",
    "plan_augment",
    "plan_demo",
    "plan_evaluate",
    "plan_import_data",
    "plan_import_set",
    "plan_new",
    "plan_search",
    "plan_serve",
    "plan_split_data",
    "plan_train",
    "run_service",
    "search",
    "serve",
    "split_data",
    "train",
]
