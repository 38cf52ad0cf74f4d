"""The curves of many runs and metrics by one request: columns over one axis, tails, and what is not there."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert

from keepbest.client.requests import to_bytes
from keepbest.contract.curves import Curves, CurvesRequest
from tests.support.api import Api
from tests.support.store import NOW, submit_external
from tracker import db
from tracker.models import SegmentTable
from tracker.store import runs
from tracker.store.metrics import metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column

START = NOW.timestamp()
ABSENT = "0" * 12


def column(key: str, values: list[float]) -> Column:
    steps = np.arange(1, len(values) + 1) * 10
    return Column(0, key, PointColumns(steps, np.array(values), START + steps / 4))


@pytest.fixture
def run(api: Api) -> str:
    with db.write(api.engine) as conn:
        made = submit_external(conn)
        metrics.add_columns(conn, made, [column("loss", [3, 0.1, 1]), column("lr", [0.5, 0.25])], newest=True)
        # What a trainer says first, so that these points are alive.
        opened = {"number": 0, "reason": "start", "start_step": 0, "attempt": 1, "opened_at": NOW}
        conn.execute(insert(SegmentTable).values(run_pk=made.pk, **opened))
    return str(made.id)


def ask(api: Api, run: str, **more: Any) -> Any:
    answer = api.post("/curves", {"runs": [run], "keys": ["loss"], **more})
    Curves.model_validate(answer)
    return answer


AXES: list[tuple[str, list[int], list[float] | None]] = [
    ("step", [10, 20, 30], None),
    ("relative", [10, 20, 30], [2.5, 5.0, 7.5]),
    ("wall", [10, 20, 30], [START + 2.5, START + 5, START + 7.5]),
    ("metrics.lr", [10, 20, 30], [0.5, 0.25, 0.25]),
]


def test_the_points_stand_over_the_axis_asked(api: Api, run: str) -> None:
    for axis, steps, x in AXES:
        (curve,) = ask(api, run, x=axis)["curves"]
        assert (curve["steps"], curve["x"], curve["values"]) == (steps, x, [3.0, 0.1, 1.0]), axis


def test_one_request_answers_many_keys_and_a_tail(api: Api, run: str) -> None:
    answer = ask(api, run, keys=["lr", "loss", "none"], after={run: {"loss": 20}}, summaries=True)
    assert [(curve["key"], curve["steps"]) for curve in answer["curves"]] == [("lr", [10, 20]), ("loss", [30])]
    (summaries,) = answer["summaries"]
    assert [(known["key"], known["count"]) for known in summaries["metrics"]] == [("loss", 3), ("lr", 2)]


def test_what_is_not_there_is_said_beside_the_rest(api: Api, run: str) -> None:
    answer = ask(api, run, runs=[run, ABSENT])
    assert [curve["run"] for curve in answer["curves"]] == [run]
    (error,) = answer["errors"]
    assert error["run"] == ABSENT
    assert "no run" in error["message"]
    for axis in ("epoch", "metrics.none"):
        answer = ask(api, run, x=axis)
        assert (answer["curves"], len(answer["errors"])) == ([], 1), axis


def test_what_is_not_finite_is_named_and_single_is_shorter(api: Api, run: str) -> None:
    with db.write(api.engine) as conn:
        made = runs.get_run(conn, run)
        odd = [math.nan, math.inf, -math.inf, 1e300]
        metrics.add_columns(conn, made, [column("odd", odd), column("third", [1 / 3])], newest=True)
    double, single = (ask(api, run, keys=["odd", "third"], precision=name)["curves"] for name in ("double", "single"))
    assert double[0]["values"] == single[0]["values"] == ["NaN", "Infinity", "-Infinity", 1e300]
    assert (double[1]["values"], single[1]["values"]) == ([1 / 3], [0.33333334])


REFUSED: list[tuple[dict[str, Any], str | None]] = [
    ({"runs": []}, "runs"),
    ({"runs": ["../x"]}, "runs.0"),
    ({"keys": ["k"] * 51}, "keys"),
    ({"x": "time"}, "x"),
    ({"x": "metrics."}, "x"),
    ({"max_points": 1}, "max_points"),
    ({"keys": [str(key) for key in range(50)], "max_points": 20_001}, None),
    ({"runs": [f"{run:012}" for run in range(500)], "keys": ["a", "b", "c"], "max_points": 2}, None),
]


def test_more_than_the_limits_is_refused(api: Api, run: str) -> None:
    for asked, field in REFUSED:
        status, error = api.fail("POST", "/curves", {"runs": [run], "keys": ["loss"], **asked})
        assert (status, error["field"]) == (422, field), json.dumps(asked)[:100]


def test_the_client_asks_and_reads_the_same_shapes(api: Api, run: str) -> None:
    asked = CurvesRequest.model_validate({"runs": [run], "keys": ["loss"], "from": 20, "to": 20})
    answer = Curves.model_validate_json(api.call("POST", "/curves", to_bytes(asked)).data)
    assert answer.curves[0].steps == [20]
