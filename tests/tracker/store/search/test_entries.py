"""What runs are found by is written with them, and follows every change."""

from __future__ import annotations

import math
from typing import Any

import pytest
from sqlalchemy import Connection, select

from keepbest.contract.batches import Batch, Declared, Progress
from keepbest.contract.runs import RunPatch
from tests.support.store import NOW, submit, submit_external
from tests.tracker.store.metrics.test_metrics import points
from tracker.models import MetricSummaryTable, RunParameterTable, RunTable, RunTagTable
from tracker.store import projects, run_summary, runs
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.search import entries
from tracker.store.search.variants import find_variant

NUMBERS: list[tuple[Any, float | None]] = [
    (3, 3.0), (0.5, 0.5), (math.inf, math.inf), ("0.5", 0.5), (" 1e-3 ", 1e-3),
    ("x", None), ("inf", None), ("nan", None), (True, None), ([1], None), (10**300, 1e300), ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "number"), NUMBERS)
def test_a_parameter_is_a_number_where_it_reads_as_one(value: Any, number: float | None) -> None:
    assert entries.read_number(value) == number


def read_parameters(conn: Connection) -> list[tuple[Any, ...]]:
    table = RunParameterTable
    return [tuple(row) for row in conn.execute(select(table.key, table.number, table.text).order_by(table.key))]


def read_tags(conn: Connection) -> list[str]:
    return list(conn.execute(select(RunTagTable.tag).order_by(RunTagTable.tag)).scalars())


def test_a_run_brings_its_parameters_and_tags(conn: Connection) -> None:
    submit_external(conn, parameters={"a": 1, "b": "x" * 400, "c": [1, "y"], "d": None}, tags=["t", "team=red", "t"])
    assert read_parameters(conn) == [("a", 1.0, "1"), ("b", None, "x" * 300), ("c", None, '[1, "y"]')]
    assert read_tags(conn) == ["t", "team=red"]


def test_changed_tags_are_found_instead_of_the_old_ones(conn: Connection) -> None:
    run = submit(conn, tags=["old", "both"])
    runs.patch_run(conn, run, RunPatch(tags=["both", "new"]), user="ada", now=NOW)
    assert read_tags(conn) == ["both", "new"]
    runs.patch_run(conn, run, RunPatch(name="other"), user="ada", now=NOW)
    assert read_tags(conn) == ["both", "new"]


def test_a_script_s_own_parameters_and_monitor_count(conn: Connection) -> None:
    """What its callback says arrives behind its first points."""
    run = submit_external(conn, monitor="loss", parameters={"rate": 1})
    metrics.add_columns(
        conn,
        run,
        [Column(0, "loss", points([1, 2], [3.0, 4.0])), Column(0, "val_auc", points([1], [0.5]))],
        newest=True,
    )
    declared = Declared(monitor="val_auc", parameters={"rate": 2, "depth": "deep"})
    records = Batch(writer="w" * 12, number=1, progress=Progress(at=NOW, declared=declared))
    run_summary.update_run(conn, runs.get_by_pk(conn, run.pk), [], records, NOW)
    assert read_parameters(conn) == [("depth", None, "deep"), ("rate", 2.0, "2")]
    best = dict(iter(conn.execute(select(MetricSummaryTable.key, MetricSummaryTable.best_value))))
    assert best == {"loss": 3.0, "val_auc": None}
    assert conn.execute(select(RunTable.monitor)).scalar_one() == "val_auc"


def test_a_moved_run_is_found_in_its_new_project(conn: Connection) -> None:
    run = submit_external(conn, parameters={"rate": 1}, tags=["t"])
    metrics.add_columns(conn, run, [Column(0, "loss", points([1], [3.0]))], newest=True)
    other = projects.ensure_project(conn, "other", user="ada", now=NOW)
    entries.move_entries(conn, run.pk, other.pk)
    for table in (MetricSummaryTable, RunParameterTable, RunTagTable):
        assert conn.execute(select(table.project_pk)).scalars().all() == [other.pk]


BEST = {"loss": (0.25, 2), "accuracy": (0.9, 2), "odd": (0.5, 3), "gone": (None, None)}


def test_the_best_of_a_metric_follows_its_direction(conn: Connection) -> None:
    run = submit_external(conn)
    for step, loss, accuracy, odd in ((1, 0.5, 0.1, 7.0), (2, 0.25, 0.9, 8.0), (3, 0.75, 0.2, 0.5)):
        told = {"loss": loss, "accuracy": accuracy, "odd": odd, "gone": math.nan}
        metrics.add_columns(
            conn, run, [Column(0, key, points([step], [value])) for key, value in told.items()], newest=True
        )
    table = MetricSummaryTable
    found = {
        row.key: (row.best_value, row.best_step)
        for row in conn.execute(select(table.key, table.best_value, table.best_step))
    }
    assert found == BEST
    metrics.add_columns(conn, run, [Column(0, "odd", points([9], [9.0]))], newest=False)
    assert conn.execute(select(table.best_value).where(table.key == "odd")).scalar_one() == 0.5


RECIPE = {"source": {"kind": "recipe", "name": "cnn"}, "data": "digits", "parameters": {"rate": 1, "seed": 1}}
COMMAND = {"source": {"kind": "command", "argv": ["python", "t.py", "--lr", "1", "--seed", "1"], "fixed": []}}


def test_runs_that_differ_by_seed_alone_are_one_variant() -> None:
    assert find_variant(RECIPE) == find_variant({**RECIPE, "parameters": {"rate": 1, "seed": 2}, "seed": 7})
    assert find_variant(RECIPE) != find_variant({**RECIPE, "parameters": {"rate": 2, "seed": 1}})
    assert find_variant(RECIPE) != find_variant({**RECIPE, "data": "mnist"})
    for argv in (["--lr", "1", "--seed", "2"], ["--lr", "1", "--seed=2"], ["--random-state", "2", "--lr", "1"]):
        source = {"kind": "command", "argv": ["python", "t.py", *argv], "fixed": ["monitor"]}
        assert find_variant(COMMAND) == find_variant({"source": source})
    source = {"kind": "command", "argv": ["python", "t.py", "--seeded", "1", "--lr", "1"]}
    assert find_variant(COMMAND) != find_variant({"source": source})
