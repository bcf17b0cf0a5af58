"""The Python API: one typed function for each thing a user does. The command line prints what they return.

Every function takes plain arguments, returns a frozen result, reports progress to the callback that `report` names, and
raises `KitError` for what goes wrong. Nothing is printed, and no process ends. Importing this package is cheap: torch,
vLLM and transformers load when a function needs them.
"""

from kit.workflows.check import CheckReport, check
from kit.workflows.events import Counted, Note, Report, ignore
from kit.workflows.new import NewPlan, NewProject, TemplateSummary, list_templates, new, plan_new
from kit.workflows.runs import ExplainedRow, RunSummary, StepExplanation, explain_step, list_runs
from kit.workflows.search import SearchPlan, SearchResult, plan_search, search
from kit.workflows.train import TrainPlan, TrainResult, plan_train, train

__all__ = [
    "CheckReport",
    "Counted",
    "ExplainedRow",
    "NewPlan",
    "NewProject",
    "Note",
    "Report",
    "RunSummary",
    "SearchPlan",
    "SearchResult",
    "StepExplanation",
    "TemplateSummary",
    "TrainPlan",
    "TrainResult",
    "check",
    "explain_step",
    "ignore",
    "list_runs",
    "list_templates",
    "new",
    "plan_new",
    "plan_search",
    "plan_train",
    "search",
    "train",
]
