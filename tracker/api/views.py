"""Saved views of a project."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.views import View, ViewList, ViewPatch, ViewRequest
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema
from tracker.db import Connection
from tracker.store import views

blueprint = Blueprint("views", __name__)


class ViewQuery(Shape):
    cursor: str | None = Field(default=None, max_length=1000)
    limit: int = Field(default=100, ge=1, le=200)


@blueprint.get("/views/<path:project>")
@route_schema(ViewList, query=ViewQuery)
def list_views(conn: Connection, project: str, query: ViewQuery) -> ViewList:
    """List the project's views, and one's own private ones, in the order of their names."""
    return views.list_views(conn, project, user=principal().user, cursor=query.cursor, limit=query.limit)


@blueprint.post("/views/<path:project>")
@route_schema(View, body=ViewRequest, status=201)
def create_view(conn: Connection, project: str, body: ViewRequest) -> View:
    """Save a view, private or for everybody who sees the project."""
    return views.create_view(conn, project, body, user=principal().user, now=now())


@blueprint.patch("/view/<view>")
@route_schema(View, body=ViewPatch)
def change_view(conn: Connection, view: str, body: ViewPatch) -> View:
    """Change a view's name, document or who sees it."""
    return views.change_view(conn, view, body, user=principal().user, now=now())


@blueprint.delete("/view/<view>")
@route_schema(None)
def delete_view(conn: Connection, view: str) -> None:
    """Delete a view: one of the project's, or one's own."""
    views.delete_view(conn, view, user=principal().user, now=now())
