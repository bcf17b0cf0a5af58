"""`kit data split`: moves whole groups of examples between the files for training, validation and test."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kit.cli.shared.numbers import counted
from kit.cli.shared.output import Output, kit_command, table

if TYPE_CHECKING:
    from kit.workflows.splitting import Move, Split

_MOST_LABELS = 8


@kit_command("split", example="kit data split --test 0.2")
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the groups for validation.  [default: 0.1 if the recipe names a validation file, else 0]",
)
@click.option(
    "--test",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the groups for test.",
)
@click.option("--from", "files", multiple=True, type=click.Path(path_type=Path),
              help="Split this file instead of the project's files; repeatable.")  # fmt: skip
@click.option("--task", help="Task of the examples, if the recipe has several.")
@click.option("--replace", is_flag=True, help="With --from: drop the examples in the project's other files.")
@click.option("--dry-run", is_flag=True, help="Print what would move, and write nothing.")
def split(output: Output, dry_run: bool, files: tuple[Path, ...], replace: bool, **options: Any) -> None:
    """Move whole groups between the project's data files, so that each file gets its share of each label.

    The hash of a group's name decides, so the same data gives the same split. Groups that are in the validation or
    test file stay there, so no tested example is ever trained on. With --from, all groups of these files may move.
    """
    from kit.errors import InputError
    from kit.workflows.splitting import plan_split_data, split_data

    if replace and not files:
        raise InputError("--replace needs the files whose examples to keep.", "--replace", "Add: --from FILE")
    act = plan_split_data if dry_run else split_data
    plan = act(files=files, replace=replace, **options)
    output.result(_data(plan, not dry_run), _text(plan, dry_run))


def _data(plan: Split, written: bool) -> dict[str, Any]:
    files = [
        {"part": file.part, "path": str(file.path), "examples": file.examples, "groups": file.groups,
         "labels": file.labels}
        for file in plan.files
    ]  # fmt: skip
    moves = [
        {"from": str(move.source), "to": str(move.target), "groups": move.groups, "examples": move.examples}
        for move in plan.moves
    ]
    return {"written": written, "files": files, "moves": moves, "dropped": plan.dropped}


def _text(plan: Split, dry_run: bool) -> str:
    verb = "Would move" if dry_run else "Moved"
    lines = [_moved(verb, move) for move in plan.moves] or ["Nothing moves: no file needs more groups."]
    if plan.dropped:
        lines.append(f"{'Would drop' if dry_run else 'Dropped'} {counted(plan.dropped, 'example')}.")
    rows = [
        (os.path.relpath(file.path), str(file.examples), str(file.groups), _labels(file.labels)) for file in plan.files
    ]
    return "\n".join([*lines, table(("file", "examples", "groups", "labels"), rows)])


def _moved(verb: str, move: Move) -> str:
    what = f"{counted(len(move.groups), 'group')} ({counted(move.examples, 'example')})"
    return f"{verb} {what} from {os.path.relpath(move.source)} to {os.path.relpath(move.target)}."


def _labels(labels: Mapping[str, int]) -> str:
    listed = [f"{label} {count}" for label, count in labels.items()]
    more = [f"and {len(listed) - _MOST_LABELS} more"] if len(listed) > _MOST_LABELS else []
    return ", ".join([*listed[:_MOST_LABELS], *more])
