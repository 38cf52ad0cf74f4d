"""Panels: pictures of a run's model at its validations."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape, Step
from keepbest.contract.panels import Panel, PanelList, PanelName
from tracker.api.envelope import route_schema
from tracker.db import Connection
from tracker.store import panels, runs

blueprint = Blueprint("panels", __name__)


class PanelQuery(Shape):
    """Which panel: the newest of this name, or the one at a step."""

    name: PanelName
    step: Step | None = None
    segment: int | None = Field(default=None, ge=0, le=1_000_000)


@blueprint.get("/runs/<run>/panels")
@route_schema(PanelList)
def list_panels(conn: Connection, run: str) -> PanelList:
    """List the panels of a run and the steps they were made at."""
    return PanelList(panels=panels.list_panels(conn, runs.get_run(conn, run).pk))


@blueprint.get("/runs/<run>/panel")
@route_schema(Panel, query=PanelQuery)
def show_panel(conn: Connection, run: str, query: PanelQuery) -> Panel:
    """Show one panel."""
    pk = runs.get_run(conn, run).pk
    return panels.get_panel(conn, pk, query.name, step=query.step, segment=query.segment)
