"""Reports of a run, of several, or of a sweep."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.reports import MAX_REPORTED, Report
from keepbest.errors import InvalidInput
from tracker.api.access import principal
from tracker.api.envelope import route_schema, service
from tracker.services import reports

blueprint = Blueprint("reports", __name__)


class ReportQuery(Shape):
    """`of` names a run, several separated by commas, or a sweep: ids, or their first letters."""

    of: str = Field(min_length=1, max_length=20 * MAX_REPORTED)


@blueprint.get("/reports")
@route_schema(Report, query=ReportQuery, transact=False)
def show_report(query: ReportQuery) -> Report:
    """Report runs, or a sweep: what was selected from how much, the test set, how sure; with pictures."""
    references = [name.strip() for name in query.of.split(",") if name.strip()]
    if not 1 <= len(references) <= MAX_REPORTED:
        raise InvalidInput(f"A report covers 1 to {MAX_REPORTED} runs.", field="of", hint="Name fewer runs.")
    return reports.report(service().engine, references, principal())
