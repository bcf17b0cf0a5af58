"""`kit new`: a project of your own from a template."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from kit.cli.output import Output, kit_command, table
from kit.errors import InputError


@kit_command("new", example="kit new legal contracts && cd contracts")
@click.argument("template", required=False)
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--name", help="Name of the project and of its model; the template's, unless given.")
@click.option("--list", "listing", is_flag=True, help="List the templates.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
def command(
    output: Output, template: str | None, target: Path | None, name: str | None, listing: bool, dry_run: bool
) -> None:
    """Copy TEMPLATE to TARGET (by default a folder of its name): a project that you own."""
    from kit.project.template import list_templates, plan_project

    if listing:
        rows = [(each.name, each.summary) for each in list_templates()]
        found = [{"name": name, "summary": summary} for name, summary in rows]
        output.result({"templates": found}, table(("template", "what it does"), rows))
        return
    if template is None:
        known = ", ".join(each.name for each in list_templates())
        raise InputError("Which template?", next=f"Known: {known}.")
    plan = plan_project(template, target or Path(template), name)
    if not dry_run:
        plan.make()
    folder = target or Path(template)
    data = {"template": template, "target": str(plan.target), "files": plan.files(), "made": not dry_run}
    if dry_run:
        output.result(data, f"Would make {folder} from the template '{template}': {len(plan.files())} files.")
        return
    step, waits = _next_step(folder)
    lines = [f"Made {folder} from the template '{template}': {len(plan.files())} files.", f"Next: {step}", waits]
    output.result({**data, "next": step}, "\n".join(filter(None, lines)))


def _next_step(folder: Path) -> tuple[str, str]:
    """Return the command that checks the new project on this machine, and a sentence on what its own base takes."""
    from kit.project.project import Project

    project = Project(folder.absolute())
    recipe = project.recipe()
    here = None if project.has_base(recipe) else project.profile_here()
    enter = [] if folder == Path() else [f"cd {shlex.quote(str(folder))}"]
    step = " && ".join([*enter, f"kit check --profile {here}" if here else "kit check"])
    waits = f"Without the profile, the base is {recipe.base.model}, which `kit train` downloads first." if here else ""
    return step, waits
