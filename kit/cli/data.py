"""`kit data`: examples from elsewhere, and more of those that are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kit.cli.augmenting import augment
from kit.cli.groups import Group, show_overview
from kit.cli.output import Output, kit_command, table
from kit.errors import InputError


@click.group(
    "data",
    cls=Group,
    invoke_without_command=True,
    epilog="\b\nExample:\n  kit data import cuad ~/CUAD_v1 --groups 300",
)
@click.option("--json", is_flag=True, expose_value=False, help="Print results and errors as JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show a traceback on errors.")
@click.pass_context
def command(context: click.Context) -> None:
    """Bring data into the project, and make more of it."""
    show_overview(context)


@kit_command("import", example="kit data import cuad ~/CUAD_v1 --groups 300 --set categories=governing_law,insurance")
@click.argument("name", required=False)
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--list", "listing", is_flag=True, help="List the importers of this project.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of the importer; repeatable.")
@click.option("--groups", type=click.IntRange(min=1), help="Train on this many groups, test on all others.")
@click.option("--test-share", type=click.FloatRange(0, 1, True, True), default=0.2, show_default=True,
              help="Share of the groups to test on, unless --groups is given.")  # fmt: skip
@click.option("--task", "task_name", help="The task that the examples are of, where the recipe has several.")
@click.option("--replace", is_flag=True, help="Overwrite the files of an earlier import.")
@click.option("--dry-run", is_flag=True, help="Read and count, and write nothing.")
def import_(
    output: Output,
    name: str | None,
    path: Path | None,
    listing: bool,
    pairs: tuple[str, ...],
    groups: int | None,
    test_share: float,
    task_name: str | None,
    replace: bool,
    dry_run: bool,
) -> None:
    """Import the public set NAME from your own copy at PATH, split by group into data/NAME-train and -test.

    The hash of a group's name decides its side, so that a later import never moves an old test row into training.
    """
    from kit.data.importing import find_importer, parse_settings, plan_import, read_set
    from kit.project.project import Project

    project = Project.find()
    if listing:
        _list(output, project.root)
        return
    if name is None or path is None:
        raise InputError("Say which set, and where your copy of it is.", next="See: kit data import --list")
    task = project.data(project.recipe(), task_name).task
    importer = find_importer(project.root, name)
    examples = read_set(importer, task, path, parse_settings(pairs))
    plan = plan_import(examples, project.root / "data", name, groups, test_share, replace)
    if not dry_run:
        plan.write()
    counts: dict[str, Any] = {"written": not dry_run}
    lines = ["Would write:" if dry_run else "Wrote:"]
    for part, chosen, file in (("train", plan.train, plan.train_path), ("test", plan.test, plan.test_path)):
        size = {"examples": len(chosen), "groups": len({example.group for example in chosen})}
        counts[part] = {"path": str(file), **size}
        lines.append(f"  {file.relative_to(project.root)}: {size['examples']} examples of {size['groups']} groups")
    if plan.stayed:
        counts["stayed"] = plan.stayed
        why = "An earlier import tested on them; remove its test file to split again."
        lines.append(f"  {plan.stayed} groups stay in the test file, whatever the share. {why}")
    output.result(counts, "\n".join(lines))


command.add_command(import_)
command.add_command(augment)


def _list(output: Output, root: Path) -> None:
    from kit.data.importing import load_importers

    rows = [(name, (importer.__doc__ or "").split("\n")[0]) for name, importer in load_importers(root).items()]
    found = [{"name": name, "summary": summary} for name, summary in rows]
    output.result({"importers": found}, table(("importer", "what it reads"), rows))
