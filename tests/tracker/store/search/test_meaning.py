"""The store answers a filter as the model of its meaning does: random trees over runs of every kind, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select, update

from keepbest.query.terms import Term
from tests.support.filters import FilteredRun, fits, trees
from tests.support.store import NOW, later, submit_external
from tests.tracker.store.metrics.test_metrics import points
from tests.tracker.test_migrations import SWEEP
from tracker.models import MetricSummaryTable, RunTable, SweepTable
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.search import listing
from tracker.store.search.drive import Driver
from tracker.store.search.listing import RunSearch

NAMES = ["loss", "rate", "flag"]
WORDS = ["mnist", "CNN", "Ö", "ö", "a", "true", "0.5", "7", "red", "team=red", "A7", "%", "b/c", "3", "", "0", "[1, 2]"]
SETS: list[dict[str, Any]] = [
    {"loss": 0.5, "rate": 1e-3, "flag": True},
    {"loss": "0.5", "rate": "cnn"},
    {"loss": None, "rate": 7, "flag": False},
    {"rate": "7", "flag": [1, 2]},
    {},
]
SAME = ("name", "notes", "id", "number", "recipe", "state", "step", "priority", "forked_from")
SORTS = ["created", "metrics.loss", "params.rate"]
VALUES = [[0.5, 0.25], [7.0], [3.0, float("nan")], [float("nan")], []]
COLUMNS: list[dict[str, Any]] = [
    {"best_value": 0.5, "last_value": 0.25, "worker_name": "Mill", "step": 7, "priority": 3},
    {"state": "finished", "stop_reason": "patience", "started_at": NOW, "ended_at": later(90), "recipe": "mnist"},
    {"last_value": float("nan"), "forked_from": "0" * 12, "commit": "a7", "created_by": "Ö", "variant": "a"},
    {"state": "failed", "stop_reason": "error", "created_at": later(-9e8), "recipe": "b/c.py:build", "sweep_pk": 1},
]


@pytest.fixture
def known(conn: Connection) -> dict[str, FilteredRun]:
    """Runs that differ in everything that a filter can ask for, by id, as the model sees them."""
    runs = [_make(conn, number) for number in range(12)]
    conn.execute(insert(SweepTable).values({**SWEEP, "pk": 1, "project_pk": runs[0].project_pk}))
    for number, run in enumerate(runs):
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(COLUMNS[number % len(COLUMNS)]))
    return {run.id: _see(conn, run.pk) for run in runs}


def _make(conn: Connection, number: int) -> Any:
    tags = [["a", "team=red"], ["team=3", "Ö"], []][number % 3]
    name = ["Mnist cnn", "7", "%_"][number % 3]
    run = submit_external(
        conn,
        name=name,
        notes="b/c"[: number % 4],
        tags=tags,
        parameters=SETS[number % 5],
        project=["p", "Red"][number % 2],
    )
    for shift, key in enumerate(NAMES):
        values = VALUES[(number + shift) % 5]
        if values:
            metrics.add_columns(conn, run, [Column(0, key, points(range(len(values)), values))], newest=True)
    return run


def _see(conn: Connection, pk: int) -> FilteredRun:
    row = conn.execute(select(RunTable).where(RunTable.pk == pk)).one()
    table = MetricSummaryTable
    measured = conn.execute(select(table.__table__).where(table.run_pk == pk)).all()
    columns = {
        **{name: getattr(row, name) for name in SAME},
        **{"reason": row.stop_reason, "worker": row.worker_name, "user": row.created_by},
        **{"created": row.created_at, "started": row.started_at, "ended": row.ended_at, "updated": row.updated_at},
        **{"best": row.best_value, "last": row.last_value},
        "project": row.spec["project"],
        "commit": row.commit,
        "variant": row.variant,
        "sweep": SWEEP["id"] if row.sweep_pk else None,
        "duration": (row.ended_at - row.started_at).total_seconds() if row.ended_at else None,
    }
    parts = {
        summary.key: {
            **{"best": summary.best_value, "last": summary.last_value, "min": summary.min_value},
            **{"max": summary.max_value, "step": summary.best_step, "last_step": summary.last_step},
        }
        for summary in measured
    }
    return FilteredRun(columns, parts, row.spec["parameters"], row.tags)


@pytest.mark.parametrize("is_driven", [True, False])
def test_a_filter_means_what_its_model_says(
    conn: Connection, known: dict[str, FilteredRun], is_driven: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_driven:
        monkeypatch.setattr(Driver, "find", lambda _self, _term: None)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(trees(st.sampled_from(NAMES), st.sampled_from(WORDS)), st.sampled_from(SORTS))
    def check(term: Term, sort: str) -> None:
        wanted = {id for id, run in known.items() if fits(term, run)}
        page = listing.list_runs(conn, RunSearch(term=term, sort=sort), cursor=None, limit=100, count=True)
        assert ({run.id for run in page.runs}, page.total) == (wanted, len(wanted))
        assert len(page.runs) == len(wanted)

    check()
