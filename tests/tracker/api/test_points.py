"""Every point of a run as CSV, on both databases."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, update

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import NOW, later, submit_external
from tracker import db
from tracker.models import RunTable, ValidationTable
from tracker.store.metrics import metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column


def column(segment: int, key: str, steps: list[int], values: list[float]) -> Column:
    return Column(segment, key, PointColumns(np.array(steps), np.array(values), np.array(steps) / 10))


@pytest.fixture
def run(api: Api) -> str:
    with db.write(api.engine) as conn:
        made = submit_external(conn, name='a "b", c')
        conn.execute(update(RunTable).values(name='a "b", c'))
        for columns in (
            [column(0, "loss", [1, 2], [0.1 + 0.2, math.nan])],
            [column(1, "loss", [2, 3], [math.inf, -0.0]), column(0, "lr", [2**53], [1e-300])],
        ):
            metrics.add_columns(conn, made, columns, newest=True)
    return str(made.id)


def read(api: Api, run: str) -> list[dict[str, Any]]:
    answer = api.call("GET", f"/runs/{run}/points", role=Role.VIEWER)
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.headers["Keepbest-Count"] == str(len(rows))
    return rows


def test_every_point_comes_exactly_as_it_was(api: Api, run: str) -> None:
    rows = read(api, run)
    assert list(rows[0]) == ["run", "name", "key", "segment", "step", "epoch", "time", "value"]
    assert {(row["run"], row["name"], row["epoch"]) for row in rows} == {(run, 'a "b", c', "")}
    assert [(row["key"], row["segment"], row["step"], row["time"], row["value"]) for row in rows] == [
        ("loss", "0", "1", "0.1", "0.30000000000000004"),
        ("loss", "0", "2", "0.2", "nan"),
        ("loss", "1", "2", "0.2", "inf"),
        ("loss", "1", "3", "0.3", "-0.0"),
        ("lr", "0", str(2**53), repr(2**53 / 10), "1e-300"),
    ]


def test_the_epoch_stands_where_validations_say_it(api: Api, run: str) -> None:
    row = {"run_pk": 1, "segment": 0, "step": 2, "value": 1.0, "epoch": 1.0, "metrics": {}, "decision": {}}
    with db.write(api.engine) as conn:
        conn.execute(insert(ValidationTable).values(**row, withdraws=False, is_withdrawn=False, at=later(2)))
    assert [item["epoch"] for item in read(api, run)][:4] == ["0.5", "1.0", "1.0", "1.5"]


def test_a_run_without_points_has_the_names_alone(api: Api) -> None:
    with db.write(api.engine) as conn:
        run = submit_external(conn, now=NOW).id
    answer = api.call("GET", f"/runs/{run}/points")
    assert answer.text == "run,name,key,segment,step,epoch,time,value\n"
    assert answer.headers["Keepbest-Count"] == "0"


def test_a_run_that_is_not_there_has_no_points(api: Api) -> None:
    status, error = api.fail("GET", "/runs/000000000000/points")
    assert (status, error["code"]) == (404, "not_found")
