"""Commands to a living run: stop, cancel, roll back, checkpoint now."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field, RootModel

from keepbest.contract.base import Shape
from keepbest.contract.commands import Command, CommandList, CommandRequest
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema
from tracker.db import Connection
from tracker.store import commands, runs

blueprint = Blueprint("commands", __name__)


class CommandBody(RootModel[CommandRequest]):
    """One of the commands, told apart by `kind`."""


class CommandQuery(Shape):
    """With `open`, only the commands that the trainer has not obeyed yet."""

    open: bool = Field(default=False)


@blueprint.get("/runs/<run>/commands")
@route_schema(CommandList, query=CommandQuery)
def list_commands(conn: Connection, run: str, query: CommandQuery) -> CommandList:
    """List the commands to a run, oldest first."""
    pk = runs.get_run(conn, run).pk
    return CommandList(commands=commands.open_commands(conn, pk) if query.open else commands.list_commands(conn, pk))


@blueprint.post("/runs/<run>/commands")
@route_schema(Command, body=CommandBody, status=201)
def request_command(conn: Connection, run: str, body: CommandBody) -> Command:
    """Ask a run's trainer for something; the answer shows when it was obeyed."""
    row = runs.get_run(conn, run, lock=True)
    return commands.request_command(conn, row, body.root, user=principal().user, now=now())
