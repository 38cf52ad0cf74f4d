"""What runs, or a sweep, really say."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.contract.reports import MAX_REPORTED, Report
from keepbest.errors import InvalidInput
from tracker.api.envelope import service, speaks
from tracker.services import reports

blueprint = Blueprint("reports", __name__)


class ReportQuery(Shape):
    """A run, several with commas between, or a sweep: ids, or their first letters."""

    of: str = Field(min_length=1, max_length=20 * MAX_REPORTED)


@blueprint.get("/reports")
@speaks(Report, query=ReportQuery, transact=False)
def show_report(query: ReportQuery) -> Report:
    """Report runs, or a sweep: what was selected from how much, the test set, how sure; with pictures."""
    references = [name.strip() for name in query.of.split(",") if name.strip()]
    if not 1 <= len(references) <= MAX_REPORTED:
        raise InvalidInput(f"A report is of 1 to {MAX_REPORTED} runs.", field="of", hint="Name fewer of them.")
    return reports.report(service().engine, references)
