"""Saved views of a project."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.views import View, ViewList, ViewPatch, ViewRequest
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema
from tracker.db import Connection
from tracker.store import views

blueprint = Blueprint("views", __name__)


@blueprint.get("/projects/<path:project>/views")
@route_schema(ViewList)
def list_views(conn: Connection, project: str) -> ViewList:
    """List the project's views, and one's own private ones."""
    return ViewList(views=views.list_views(conn, project, user=principal().user))


@blueprint.post("/projects/<path:project>/views")
@route_schema(View, body=ViewRequest, status=201)
def create_view(conn: Connection, project: str, body: ViewRequest) -> View:
    """Save a view, private or for everybody who sees the project."""
    return views.create_view(conn, project, body, user=principal().user, now=now())


@blueprint.patch("/projects/<path:project>/views/<view>")
@route_schema(View, body=ViewPatch)
def change_view(conn: Connection, project: str, view: str, body: ViewPatch) -> View:
    """Change a view's name, document or who sees it."""
    return views.change_view(conn, project, view, body, user=principal().user, now=now())


@blueprint.delete("/projects/<path:project>/views/<view>")
@route_schema(None)
def delete_view(conn: Connection, project: str, view: str) -> None:
    """Delete a view: one of the project's, or one's own."""
    views.delete_view(conn, project, view, user=principal().user, now=now())
