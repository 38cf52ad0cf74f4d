"""Panels: pictures of a run's model at its validations."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape, Step
from keepbest.contract.panel_differences import PanelDifference, PanelDifferenceQuery
from keepbest.contract.panels import Panel, PanelList, PanelName
from tracker import db
from tracker.api.envelope import route_schema, service
from tracker.db import Connection
from tracker.services import panel_differences
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


@blueprint.get("/panels/diff")
@route_schema(PanelDifference, query=PanelDifferenceQuery, transact=False)
def diff_panels(query: PanelDifferenceQuery) -> PanelDifference:
    """Say what changed between two recordings: of one run at its best and last, or of two runs, each at its best."""
    with db.read(service().engine) as conn:
        first, second = panel_differences.gather(conn, query)
    return panel_differences.show(first, second)
