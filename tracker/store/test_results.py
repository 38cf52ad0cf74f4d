"""Test results: every one is stored, so that repeated measurements of the test set stay visible."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select

from keepbest.contract.runs import RecordedTestResult, TestResult
from tracker import models
from tracker.store.runs import RunRow


def add_test_result(conn: Connection, run: RunRow, test: TestResult, now: datetime) -> None:
    """Add the test result of this end of the run."""
    row = {"run_pk": run.pk, "attempt": run.attempt, "test": test.model_dump(mode="json")}
    conn.execute(insert(models.TestResultTable).values(**row, worker=run.worker_name, at=now))


def list_test_results(conn: Connection, run_pk: int) -> list[RecordedTestResult]:
    """Return every measurement of a run's test set, oldest first."""
    table = models.TestResultTable
    rows = conn.execute(select(*table.__table__.columns).where(table.run_pk == run_pk).order_by(table.pk))
    return [RecordedTestResult.model_validate({**row.test, **row._mapping}) for row in rows]
