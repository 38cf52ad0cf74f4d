"""Sweeps over the API: begun once, shown with their runs, weighed, cancelled."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import NOW, hello
from tracker import db
from tracker.models import RunTable
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings

SPACE: dict[str, Any] = {"learning_rate": {"kind": "choices", "values": [0.1, 0.01]}}
RUN: dict[str, Any] = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "project": "nets"}
ASKED: dict[str, Any] = {"run": RUN, "space": SPACE, "search": "grid", "at_once": 2}


@pytest.fixture
def sweep(api: Api) -> Any:
    with db.write(api.engine) as conn:
        hello(conn)
    return api.post("/sweeps", ASKED, key="first")


def test_a_sweep_is_begun_topped_up_shown_and_cancelled(api: Api, sweep: Any) -> None:
    assert (sweep["runs"], sweep["created_by"]) == (2, "a member")
    assert api.post("/sweeps", ASKED, key="first")["id"] == sweep["id"]
    jobs.top_up_sweeps(TrackerSettings.load({}), api.engine, NOW)
    shown = api.get(f"/sweeps/{sweep['id'][:6]}", role=Role.VIEWER)
    assert [run["parameters"]["learning_rate"] for run in shown["runs"]] == [0.1, 0.01]
    assert api.get(f"/runs/{shown['runs'][0]['run']}")["spec"]["trial"] == {"sweep": sweep["id"], "number": 1}
    (listed,) = api.get("/sweeps?project=nets&state=running")["sweeps"]
    assert listed == shown["sweep"]
    assert api.post(f"/sweeps/{sweep['id']}/cancel")["state"] == "cancelled"
    assert [run["state"] for run in api.get(f"/sweeps/{sweep['id']}")["runs"]] == ["cancelled"] * 2


def test_both_values_are_shown_and_the_selected_one_decides(api: Api) -> None:
    asked = {**ASKED, "run": {**RUN, "selector": {"name": "greedy_soup", "params": {"k": 3}}}}
    with db.write(api.engine) as conn:
        hello(conn)
    sweep = api.post("/sweeps", asked, key="soup")
    assert (sweep["selector"], sweep["best"]) == ({"name": "greedy_soup", "params": {"k": 3}}, None)
    jobs.top_up_sweeps(TrackerSettings.load({}), api.engine, NOW)
    runs = [run["run"] for run in api.get(f"/sweeps/{sweep['id']}")["runs"]]
    with db.write(api.engine) as conn:
        for run, best, selected in zip(runs, (0.9, 0.8), (None, 0.95), strict=True):
            known = {"best_value": best, "selected_value": selected, "selected_step": selected and 60}
            tried = 2 if selected else 0
            conn.execute(update(RunTable).where(RunTable.id == run).values(**known, averages_tried=tried))
    shown = api.get(f"/sweeps/{sweep['id']}", role=Role.VIEWER)
    assert shown["sweep"]["best"]["run"] == runs[1]
    names = ("best_value", "selected_value", "selected_step", "averages_tried")
    assert [tuple(run[name] for name in names) for run in shown["runs"]] == [(0.9, None, None, 0), (0.8, 0.95, 60, 2)]


def test_importance_is_said_to_be_unknown_at_first(api: Api, sweep: Any) -> None:
    found = api.get(f"/sweeps/{sweep['id']}/importance", role=Role.VIEWER)
    assert (found["parameters"], found["runs"]) == ([], 0)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"space": {}}, "space"),
    ({"space": {"learning_rate": {"kind": "choices", "values": []}}}, "space.learning_rate"),
    ({"space": {"learning_rate": {"kind": "choices", "values": [1, 1]}}}, "space.learning_rate"),
    ({"space": {"learning_rate": {"kind": "uniform", "low": 1, "high": 1}}}, "space.learning_rate"),
    ({"space": {"learning_rate": {"kind": "uniform", "low": "NaN", "high": 1}}}, "space.learning_rate"),
    ({"space": {"learning_rate": {"kind": "log_uniform", "low": 0, "high": 1}}}, "space.learning_rate"),
    ({"space": {"units": {"kind": "int", "low": 0, "high": 9, "log": True}}}, "space.units"),
    ({"space": {"units": {"kind": "choices", "values": ["x" * 10_001]}}}, "space.units"),
    ({"runs": 0}, "runs"),
    ({"at_once": 0}, "at_once"),
    ({"search": "luck"}, "search"),
]


@pytest.mark.parametrize(("said", "field"), WRONG)
def test_what_is_wrong_is_refused_at_its_place(api: Api, sweep: Any, said: dict[str, Any], field: str) -> None:
    status, error = api.fail("POST", "/sweeps", ASKED | said)
    assert status == 422
    assert error["field"].startswith(field)


def test_what_is_not_there(api: Api, sweep: Any) -> None:
    assert api.fail("GET", "/sweeps/zzzzzzzzzzzz")[0] == 404
    assert api.fail("GET", "/sweeps?cursor=nonsense")[0] == 422
    assert api.fail("GET", "/sweeps?project=nowhere")[0] == 404
