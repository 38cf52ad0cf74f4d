"""`alias`: gives checkpoints and artifacts a name in their project, such as `champion`, and says who had it before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from keepbest.checkpoint.fetch import Which, choose
from keepbest.cli.common.formatting import age, clean, number
from keepbest.cli.common.options import AsJson
from keepbest.cli.common.output import Table, print_json, print_listing, say
from keepbest.client.client import Client
from keepbest.contract.aliases import Alias, AliasMovePage, AliasRequest, AliasTarget
from keepbest.contract.validate import request
from keepbest.errors import InvalidInput

app = typer.Typer(
    help="Name checkpoints and artifacts of a project: `champion`. What has a name stays.",
    add_completion=False,
    no_args_is_help=True,
)
ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Name of the project.")]
AliasArgument = Annotated[str, typer.Argument(metavar="NAME", help="The alias, as champion.")]
_WHICH: dict[str, Which] = {"": "selected", "selected": "selected", "best": "best", "last": "last"}


@app.command("set")
def set_alias(
    project: ProjectArgument,
    name: AliasArgument,
    target: Annotated[
        str, typer.Argument(metavar="RUN[@STEP|best|last]", help="A checkpoint; of RUN alone the selected or best one.")
    ],
    artifact: Annotated[str | None, typer.Option(metavar="PATH", help="A file of the run instead.")] = None,
    version: Annotated[int | None, typer.Option(min=1, help="Of that file.", show_default="the newest version")] = None,
    as_json: AsJson = False,
) -> None:
    """Give an alias to a checkpoint or to a file, whatever had it before."""
    if version is not None and artifact is None:
        raise InvalidInput("--version is of --artifact.", field="version")
    with Client() as client:
        alias = client.set_alias(project, _read_target(client, name, target, artifact, version))
    if as_json:
        print_json(alias)
    else:
        say(f"{clean(project)}@{name} is {_describe(alias.target)}.")


@app.command("rm")
def remove_alias(project: ProjectArgument, name: AliasArgument) -> None:
    """Take an alias away. What had it is kept only as retention says."""
    with Client() as client:
        client.remove_alias(project, name)
    say(f"{clean(project)}@{name} is gone.")


@app.command("ls")
def list_aliases(
    project: ProjectArgument,
    history: Annotated[bool, typer.Option("--history", help="Who gave each alias to what, newest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the aliases of a project, or what they were."""
    now = datetime.now(UTC)
    with Client() as client:
        if history:
            _print_moves(client.alias_moves(project), now, as_json)
            return
        listing = client.aliases(project)
    table = Table(("alias", "what", ">value", "by", ">age"), empty="No aliases.")
    print_listing(listing, table, (_row(alias, now) for alias in listing.aliases), as_json=as_json)


def _read_target(client: Client, name: str, target: str, artifact: str | None, version: int | None) -> AliasRequest:
    reference, _, at = target.partition("@")
    run = client.run(reference).id
    if artifact is not None:
        if at:
            raise InvalidInput("A file has no step: name the run alone.", field="target")
        return request(AliasRequest, name=name, run=run, path=artifact, version=version)
    which: dict[str, Any] = {"step": int(at)} if at.isdecimal() and len(at) < 17 else {"which": _WHICH.get(at)}
    if which.get("which", "") is None:
        message = f"{at!r} is no step: name a number, best or last."
        raise InvalidInput(message, field="target", hint=f"`keepbest checkpoints {run}` lists the steps.")
    return request(AliasRequest, name=name, checkpoint=choose(client, run, **which).id)


def _print_moves(page: AliasMovePage, now: datetime, as_json: bool) -> None:
    table = Table(("alias", "from", "to", "by", ">age"), empty="No alias was ever given.")
    rows = (
        (move.name, _describe(move.before), _describe(move.after), move.user, age(move.at, now)) for move in page.moves
    )
    print_listing(page, table, rows, as_json=as_json)


def _row(alias: Alias, now: datetime) -> tuple[object, ...]:
    return alias.name, _describe(alias.target), number(alias.value), alias.user, age(alias.at, now)


def _describe(target: AliasTarget | None) -> str:
    if target is None:
        return "-"
    place = f"{target.path} v{target.version}" if target.path is not None else f"step {target.step or 0:,}"
    return f"{clean(target.run_name)} ({target.run}) {clean(place)}"
