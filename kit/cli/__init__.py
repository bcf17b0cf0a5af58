"""The command line: one module per command, with a `command` object. It parses, calls a workflow, and prints.

At its top, a command imports only click and light modules (kit.errors, kit.workflows), so that `kit --help` starts at
once.
"""

from kit.cli.main import main
from kit.cli.shared.library_logs import silence_libraries

silence_libraries()

__all__ = ["main"]
