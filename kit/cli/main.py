"""The command `kit`: finds its commands, and turns errors into sentences and exit codes (only here)."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from kit.cli.shared.aliases import ALIASES
from kit.cli.shared.groups import Group, show_overview
from kit.cli.shared.output import Output, show_version
from kit.errors import Exit, InputError, Interrupted, KitError, SigTerm, Terminated, nearest
from kit.system.threads import share_cores


class Table(Group):
    """Its commands are the modules of kit.cli that define `command`; each is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands."""
        return [name for name in _modules() if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return a command; None if there is no such command."""
        if cmd_name in ALIASES:
            return ALIASES[cmd_name]
        if cmd_name not in _modules():
            return None
        found = getattr(importlib.import_module(f"kit.cli.{cmd_name}"), "command", None)
        return found if isinstance(found, click.Command) else None


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(sys.modules["kit.cli"].__path__) if not module.ispkg)


@click.group(cls=Table, invoke_without_command=True)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Show the version."
)
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def commands(context: click.Context) -> None:
    """Fine-tune a language model for your domain, measure it, and serve exactly the model that was measured."""
    show_overview(context)


def main() -> NoReturn:
    """Run the command line and exit with its code."""
    share_cores()
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. No other place prints errors."""
    own = list(arguments)[: list(arguments).index("--")] if "--" in arguments else list(arguments)
    output = Output(as_json="--json" in own, debug="--debug" in own)
    try:
        code = commands.main(list(arguments), prog_name="kit", standalone_mode=False, obj=output)
        sys.stdout.flush()
        return int(code or Exit.OK)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKE
    except (Exception, KeyboardInterrupt, SigTerm) as error:
        if output.debug:
            traceback.print_exc()
        failure = _failure(error)
        output.fail_with(failure)
        return failure.code


def _failure(error: BaseException) -> KitError:
    """Return any exception as a KitError, which has sentences and an exit code."""
    if isinstance(error, KitError):
        return error
    if isinstance(error, click.ClickException):
        return _usage(error)
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return Interrupted("Interrupted.")
    if isinstance(error, SigTerm):
        return Terminated("Terminated.")
    from kit.task.fault import (
        TaskBroke,
        task_fault,
    )  # here, because it loads pydantic, which `kit --help` does not need

    if fault := task_fault(error):
        return TaskBroke([fault])
    if isinstance(error, OSError) and error.strerror:
        return KitError(f"{error.strerror}.", str(error.filename or ""))
    return KitError(f"The run broke: {type(error).__name__}: {error}", next="Run it again with --debug to see where.")


def _usage(error: click.ClickException) -> KitError:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "kit"
    advice = f"See: {path} --help"
    if isinstance(error, click.NoSuchOption) and context:
        known = [name for option in _shown_options(context.command) for name in option.opts]
        advice = nearest(error.option_name, known) or advice
        return InputError(f"'{path}' has no option '{error.option_name}'.", next=advice)
    return InputError(error.format_message(), next=advice)


def _shown_options(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option) and not each.hidden]


def _terminate(_signal: int, _frame: object) -> NoReturn:
    raise SigTerm(Exit.TERMINATED)
