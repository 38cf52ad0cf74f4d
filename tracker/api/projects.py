"""Projects: lists and shows them, makes one before its first run, archives, deletes and brings back."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.projects import Project, ProjectPage, ProjectPatch, ProjectRequest, UndeletedProject
from keepbest.contract.search import ProjectFields
from tracker.api.access import principal
from tracker.api.envelope import now, route_schema, service
from tracker.db import Connection
from tracker.services import gc
from tracker.store import project_deletions, projects
from tracker.store.search import names, scope

blueprint = Blueprint("projects", __name__)


class ProjectQuery(Shape):
    """`q` is a part of the name; `archived` lists the archived projects instead of the others."""

    archived: bool = False
    q: str | None = Field(default=None, max_length=200)
    cursor: str | None = Field(default=None, max_length=1000)
    limit: int = Field(default=100, ge=1, le=500)


@blueprint.get("/projects")
@route_schema(ProjectPage, query=ProjectQuery)
def list_projects(conn: Connection, query: ProjectQuery) -> ProjectPage:
    """List projects in the order of their names."""
    return projects.list_projects(conn, search=query.q, cursor=query.cursor, limit=query.limit, archived=query.archived)


@blueprint.post("/projects")
@route_schema(Project, body=ProjectRequest, status=201)
def create_project(conn: Connection, body: ProjectRequest) -> Project:
    """Make a project; a run's project is made with the run, so this is for its description."""
    return projects.create_project(conn, body, user=principal().user, now=now())


@blueprint.get("/fields/<path:project>")
@route_schema(ProjectFields)
def list_fields(conn: Connection, project: str) -> ProjectFields:
    """List what filters and columns can name: metrics, parameters, tags, recipes, workers, users."""
    return names.list_fields(conn, scope.open_scope(conn, project, principal()))


@blueprint.get("/projects/<path:project>")
@route_schema(Project)
def show_project(conn: Connection, project: str) -> Project:
    """Show one project."""
    return projects.get_project(conn, project)


@blueprint.patch("/projects/<path:project>")
@route_schema(Project, body=ProjectPatch)
def change_project(conn: Connection, project: str, body: ProjectPatch) -> Project:
    """Change a project's description, archive it, or take it out of the archive."""
    return projects.change_project(conn, project, body, user=principal().user, now=now())


@blueprint.delete("/projects/<path:project>")
@route_schema(None)
def delete_project(conn: Connection, project: str) -> None:
    """Delete a project with its runs; refused while one of them lives.

    It can be brought back, with its files for as long as the trash keeps them.
    """
    project_deletions.delete_project(conn, project, user=principal().user, now=now())


@blueprint.post("/undelete-project/<path:project>")
@route_schema(UndeletedProject, transact=False)
def undelete_project(project: str) -> UndeletedProject:
    """Bring a deleted project back with its runs, and with the checkpoints that still lie in the store or its trash."""
    return gc.undelete_project(service().settings, service().engine, project, user=principal().user, now=now())
