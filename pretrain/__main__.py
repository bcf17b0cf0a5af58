"""`python -m pretrain`: prepare the data, train and export the base model, in one command that can be resumed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from kit.cli.shared.numbers import BoundedCommand
from kit.cli.shared.ranges import THREADS
from kit.errors import KitError
from kit.system.threads import share_cores


@click.command(cls=BoundedCommand)
@click.option("--data", type=click.Path(path_type=Path, exists=True), envvar="DOMAINKIT_DATA", required=True,
              help="Folder of public sets; default: DOMAINKIT_DATA.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for mixture, run and model.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Training time, over all sessions.")
@click.option("--tokens", type=click.IntRange(1), help="Training tokens; the run ends at whichever limit comes first.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=THREADS, help="CPU threads; default: torch's own.")
@click.option("--layers", type=click.IntRange(1), help="Layers of the model; default: 8.")
@click.option("--optimiser", type=click.Choice(["muon", "adamw"]), help="Default: muon.")
@click.option("--step-tokens", type=click.IntRange(64), help="Tokens of one optimiser step; default: 8192.")
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), help="Peak rate of the matrices.")
@click.option(
    "--editions", type=click.IntRange(1), default=1, help="Number of times that exercises are generated; default: 1."
)
@click.option(
    "--compile/--no-compile", "compiled", default=True, help="Use torch.compile; it needs a C++ compiler on a CPU."
)
@click.option("--only-prepare", is_flag=True, help="Only make the tokenizer and the mixture.")
def command(
    data: Path, out: Path, minutes: float | None, tokens: int | None, editions: int, only_prepare: bool, **chosen: Any
) -> None:
    """Train the base model. Run it again to resume; a longer limit resumes from before the learning rate fell."""
    share_cores()
    from pretrain.prepare import prepare
    from pretrain.run import Run
    from pretrain.schedule import Limit
    from pretrain.training import Stopped

    if not only_prepare and minutes is None and tokens is None:
        raise click.UsageError("Set a limit: --minutes, --tokens, or both.")
    try:
        facts = prepare(data, out / "mixture", seed=0, say=click.echo, editions=editions)
        if not only_prepare:
            limit = Limit(minutes * 60 if minutes else None, tokens)
            folder = Run.of(out, facts, chosen).perform(
                limit, _typed(click.get_current_context()), click.echo, chosen["compiled"]
            )
            click.echo(f"The model is in {folder}.")
    except Stopped as stopped:
        click.echo("Stopped; the run is saved. Run the same command again to resume.", err=True)
        sys.exit(128 + stopped.number)
    except KitError as error:
        click.echo(str(error), err=True)
        sys.exit(int(error.code))


def _typed(context: click.Context) -> str:
    """Return the options of the command line, without the folders of this machine."""
    words = []
    for option in context.command.params:
        name = str(option.name)
        if name not in ("data", "out") and context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            value = context.params[name]
            flag = option.opts[0] if value is not False else option.secondary_opts[0]
            words += [flag] if isinstance(value, bool) else [flag, str(value).removesuffix(".0")]
    return " ".join(["--out FOLDER", *words])


if __name__ == "__main__":
    command()
