"""Rules of a project: its default stopper, and the limits by which the tracker stops its runs."""

from __future__ import annotations

from flask import Blueprint

from keepbest.contract.rules import ProjectRules, RulesRequest
from tracker.api.access import principal
from tracker.api.envelope import check_match, now, route_schema
from tracker.db import Connection
from tracker.store import rules

blueprint = Blueprint("rules", __name__)


@blueprint.get("/rules/<path:project>")
@route_schema(ProjectRules)
def show_rules(conn: Connection, project: str) -> ProjectRules:
    """Show the rules of a project."""
    return rules.get_rules(conn, project)


@blueprint.put("/rules/<path:project>")
@route_schema(ProjectRules, body=RulesRequest)
def set_rules(conn: Connection, project: str, body: RulesRequest) -> ProjectRules:
    """Put all rules of a project in the place of those that were, or only of those whose ETag is in `If-Match`."""
    check_match(rules.get_rules(conn, project, lock=True))
    return rules.set_rules(conn, project, body, user=principal().user, now=now())
