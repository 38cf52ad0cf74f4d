"""Aliases of a project: names of checkpoints and artifacts, given, taken, listed, with their history."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint
from pydantic import Field

from keepbest.contract.aliases import Alias, AliasList, AliasMovePage, AliasName, AliasRequest
from keepbest.contract.base import Shape
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.db import Connection
from tracker.services.aliases import Aliases
from tracker.store import aliases

blueprint = Blueprint("aliases", __name__)


class AliasQuery(Shape):
    name: AliasName


class MovesQuery(Shape):
    """Moves of one alias, or of all of the project."""

    name: AliasName | None = None
    cursor: str | None = Field(default=None, max_length=1000)
    limit: Annotated[int, Field(ge=1, le=200)] = 100


@blueprint.get("/aliases/<path:project>")
@route_schema(AliasList)
def list_aliases(conn: Connection, project: str) -> AliasList:
    """List a project's aliases by name."""
    return aliases.list_aliases(conn, project)


@blueprint.put("/aliases/<path:project>")
@route_schema(Alias, body=AliasRequest, transact=False)
def set_alias(project: str, body: AliasRequest) -> Alias:
    """Give an alias to a checkpoint or an artifact, whatever had it before."""
    return _service().set(project, body, now())


@blueprint.delete("/aliases/<path:project>")
@route_schema(None, query=AliasQuery, transact=False)
def remove_alias(project: str, query: AliasQuery) -> None:
    """Take an alias from what has it."""
    _service().remove(project, query.name, now())


@blueprint.get("/alias-moves/<path:project>")
@route_schema(AliasMovePage, query=MovesQuery)
def list_alias_moves(conn: Connection, project: str, query: MovesQuery) -> AliasMovePage:
    """List who gave a project's aliases to what, the newest move first."""
    return aliases.list_moves(conn, project, name=query.name, cursor=query.cursor, limit=query.limit)


def _service() -> Aliases:
    return Aliases(service().settings, service().engine, principal().user)
