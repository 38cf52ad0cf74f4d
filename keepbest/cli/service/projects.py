"""`project`: list, make, describe, archive and delete projects."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import Annotated

import typer

from keepbest.cli.common.formatting import age, clean, counted
from keepbest.cli.common.options import AsJson, Yes
from keepbest.cli.common.output import Table, print_facts, print_json, print_listing, say, warn
from keepbest.cli.service.rules import project_rules
from keepbest.client.client import Client
from keepbest.contract.projects import Project, ProjectPatch, ProjectRequest
from keepbest.contract.validate import request

#: Projects that one request lists.
PAGE = 500
Name = Annotated[str, typer.Argument(help="Name of the project.")]

project = typer.Typer(
    help="List, make, describe, archive and delete projects.", add_completion=False, no_args_is_help=True
)


@project.command("ls")
def list_projects(
    archived: Annotated[bool, typer.Option("--archived", help="Those that were archived.")] = False,
    as_json: AsJson = False,
) -> None:
    """List projects."""
    with Client() as client:
        page = client.projects(archived=archived, limit=PAGE)
        while page.cursor is not None:
            following = client.projects(archived=archived, cursor=page.cursor, limit=PAGE)
            page = following.model_copy(update={"projects": [*page.projects, *following.projects]})
    now = datetime.now(UTC)
    empty = "No archived projects." if archived else "No projects yet."
    table = Table(("name", ">runs", ">going on", ">last change", "description"), empty=empty)
    rows = ((item.name, item.runs, item.active, age(item.updated_at, now), item.description) for item in page.projects)
    print_listing(page, table, rows, as_json=as_json)


@project.command("add")
def add_project(
    name: Name, description: Annotated[str, typer.Option(help="What it is about.")] = "", as_json: AsJson = False
) -> None:
    """Make a project. Submitting a run to a new project makes it, too."""
    with Client() as client:
        made = client.add_project(request(ProjectRequest, name=name, description=description))
    print_json(made) if as_json else say(f"Made project {made.name}.")


@project.command("show")
def show_project(name: Name, as_json: AsJson = False) -> None:
    """Show one project."""
    with Client() as client:
        shown = client.project(name)
    print_json(shown) if as_json else print_facts(clean(shown.name), _facts(shown))


@project.command("describe")
def describe(
    name: Name,
    description: Annotated[str, typer.Argument(help="What it is about; '' removes the description.")],
    as_json: AsJson = False,
) -> None:
    """Say what a project is about."""
    _change(name, request(ProjectPatch, description=description), f"Described project {name}.", as_json)


@project.command("archive")
def archive(name: Name, as_json: AsJson = False) -> None:
    """Take a project out of the lists; it takes no new run, and everything in it can still be read."""
    _change(name, ProjectPatch(is_archived=True), f"Archived project {name}.", as_json)
    warn(f"This brings it back: keepbest project unarchive {quote(name)}")


@project.command("unarchive")
def unarchive(name: Name, as_json: AsJson = False) -> None:
    """Bring an archived project back into the lists."""
    _change(name, ProjectPatch(is_archived=False), f"Project {name} is back.", as_json)


@project.command("rm")
def remove(
    name: Name, yes: Yes = False, undo: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False
) -> None:
    """Delete a project with its runs, none of which may be going on; --undo brings all back."""
    with Client() as client:
        if undo:
            back = client.undelete_project(name)
            say(f"Project {name} is back, with {counted(back.runs, 'run')}.")
            if back.gone:
                warn(f"Gone for good: the files of {counted(back.gone, 'checkpoint')}.")
            return
        runs = client.project(name).runs
        if not yes:
            typer.confirm(f"Delete project {clean(name)} with its {counted(runs, 'run')}?", abort=True)
        client.delete_project(name)
    say(f"Deleted project {name} with its {counted(runs, 'run')}.")
    warn(f"For a day this brings them back: keepbest project rm {quote(name)} --undo")


project.command("rules")(project_rules)


def _change(name: str, patch: ProjectPatch, message: str, as_json: bool) -> None:
    with Client() as client:
        changed = client.patch_project(name, patch)
    print_json(changed) if as_json else say(message)


def _facts(item: Project) -> list[tuple[str, str]]:
    now = datetime.now(UTC)
    facts = [
        ("description", clean(item.description)),
        ("runs", f"{item.runs}, {item.active} going on"),
        ("latest run", item.latest_run or ""),
        ("last change", age(item.updated_at, now)),
        ("made", age(item.created_at, now)),
        ("archived", age(item.archived_at, now) if item.archived_at else ""),
    ]
    return [(name, text) for name, text in facts if text]
