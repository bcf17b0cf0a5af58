"""`kit new`: a project of your own from a template."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from kit.cli.shared.output import Output, kit_command, table
from kit.workflows import NewPlan, NewProject, TemplateSummary, list_templates, new, plan_new


@kit_command("new", example="kit new legal contracts && cd contracts")
@click.argument("template", required=False)
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--name", help="Name of the project and of its model; default: the template's name.")
@click.option("--list", "listing", is_flag=True, help="List the templates; so does `kit new` alone.")
@click.option("--dry-run", is_flag=True, help="Print what would be made, and make nothing.")
def command(
    output: Output, template: str | None, target: Path | None, name: str | None, listing: bool, dry_run: bool
) -> None:
    """Copy TEMPLATE to the folder TARGET (default: the template's name), as a project that you own.

    Without a TEMPLATE, list the starters (small, for your own data) and the templates (complete, for a domain).
    """

    if listing or template is None:
        _show_templates(output, list_templates())
    elif dry_run:
        _show_plan(output, plan_new(template, target, name=name), target or Path(template))
    else:
        _show_project(output, new(template, target, name=name), target or Path(template))


def _show_templates(output: Output, found: tuple[TemplateSummary, ...]) -> None:
    kinds = {
        "starter": [(each.name, each.summary) for each in found if each.starter],
        "template": [(each.name, each.summary) for each in found if not each.starter],
    }
    tables = [table((kind, "what it does"), rows) for kind, rows in kinds.items() if rows]
    output.result({"templates": [asdict(each) for each in found]}, "\n\n".join([*tables, "Next: kit new NAME"]))


def _show_plan(output: Output, plan: NewPlan, folder: Path) -> None:
    text = f"Would make {folder} from the template '{plan.template}': {len(plan.files)} files."
    output.result(_data(plan, made=False), text)


def _show_project(output: Output, project: NewProject, folder: Path) -> None:
    here = project.profile_here
    enter = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    step = " && ".join([*enter, f"kit check --profile {here}" if here else "kit check"])
    lines = [f"Made {folder} from the template '{project.template}': {len(project.files)} files.", f"Next: {step}"]
    if here:
        lines.append(f"Without the profile, the base is {project.base}, which `kit train` downloads first.")
    output.result({**_data(project, made=True), "next": step}, "\n".join(lines))


def _data(plan: NewPlan, *, made: bool) -> dict[str, Any]:
    return {"template": plan.template, "target": str(plan.path), "files": plan.files, "made": made}
