"""The command line: one module per command, with a `command` object. It parses, calls a workflow, and prints.

A module here imports only click and kit.errors at its top, so that `kit --help` starts at once.
"""

from kit.cli.library_logs import silence_libraries
from kit.cli.main import main

silence_libraries()

__all__ = ["main"]
