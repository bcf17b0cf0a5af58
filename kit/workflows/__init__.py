"""The Python API: one typed function for each thing a user does. The command line prints what these return.

Every function takes plain arguments, returns a frozen result, reports progress to the callback that `report` names, and
raises `KitError` for what goes wrong. Nothing is printed, and no process ends. Importing this package is cheap: torch,
vLLM and transformers load when a function needs them.
"""

from kit.workflows.events import Counted, Note, Report, ignore
from kit.workflows.import_data import import_data, import_set, importers, plan_import_data, plan_import_set
from kit.workflows.split_data import plan_split_data, split_data

__all__ = [
    "Counted",
    "Note",
    "Report",
    "ignore",
    "import_data",
    "import_set",
    "importers",
    "plan_import_data",
    "plan_import_set",
    "plan_split_data",
    "split_data",
]
