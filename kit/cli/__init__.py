"""The command line: one module per command, each with a `command` object; it wires the parts together.

A module here imports only click and kit.errors at its top, so that `kit --help` starts at once.
"""

from kit.cli.foreign import silence_libraries
from kit.cli.main import main

silence_libraries()

__all__ = ["main"]
