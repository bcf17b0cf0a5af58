"""The Python API: one typed function for each thing a user does. The command line prints what these return.

Every function takes plain arguments, returns a frozen result, reports progress to the callback that `report` names, and
raises `KitError` for what goes wrong. Nothing is printed, and no process ends. Importing this package is cheap: torch,
vLLM and transformers load when a function needs them.
"""

from kit.workflows.ask import ask
from kit.workflows.evaluate import EvaluationPlan, EvaluationResult, Score, evaluate, plan_evaluate
from kit.workflows.events import Counted, Note, Report, ignore
from kit.workflows.serve import Service, ServicePlan, Serving, plan_serve, run_service, serve

__all__ = [
    "Counted",
    "EvaluationPlan",
    "EvaluationResult",
    "Note",
    "Report",
    "Score",
    "Service",
    "ServicePlan",
    "Serving",
    "ask",
    "evaluate",
    "ignore",
    "plan_evaluate",
    "plan_serve",
    "run_service",
    "serve",
]
