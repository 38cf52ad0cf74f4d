"""Runs side by side in one answer: in the order asked, with metrics, differing parameters and their importance."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update

from keepbest.contract.comparisons import RunComparison
from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import submit
from tests.tracker.api.test_curves import column
from tracker import db
from tracker.models import MetricSummaryTable, RunTable
from tracker.services.comparisons import find_space
from tracker.store.metrics import metrics

RATES = [0.1, 0.01, 0.001, 0.1, 0.01, 0.001]
ABSENT = "0" * 12


@pytest.fixture
def ids(api: Api) -> list[str]:
    """Six finished runs; those with the lowest rate have the best value."""
    with db.write(api.engine) as conn:
        made = [submit(conn, parameters={"learning_rate": rate, "units": 32}) for rate in RATES]
        for run, rate in zip(made, RATES, strict=True):
            metrics.add_columns(conn, run, [column("val_loss", [3, rate, 1])], newest=True)
            known = {"state": "finished", "mode": "max", "best_value": 1 - rate + run.number / 1e4, "best_step": 20}
            conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(**known))
    return [str(run.id) for run in made]


def compare(api: Api, *ids: str) -> Any:
    answer = api.post("/comparisons", {"runs": ids}, role=Role.VIEWER)
    RunComparison.model_validate(answer)
    return answer


def test_runs_stand_in_the_order_asked(api: Api, ids: list[str]) -> None:
    answer = compare(api, ids[2], ABSENT, ids[0])
    assert [run["id"] for run in answer["runs"]] == [ids[2], ids[0]]
    assert answer["missing"] == [ABSENT]


def test_a_metric_has_its_best_and_its_last(api: Api, ids: list[str]) -> None:
    (row,) = compare(api, ids[0], ids[1])["metrics"]
    assert (row["key"], row["mode"]) == ("val_loss", "min")
    best = [{"best": rate, "best_step": 20, "last": 1.0, "last_step": 30} for rate in RATES[:2]]
    assert row["cells"] == best


def test_a_run_without_a_metric_has_no_cell(api: Api, ids: list[str]) -> None:
    with db.write(api.engine) as conn:
        (pk,) = conn.execute(RunTable.__table__.select().where(RunTable.id == ids[0])).scalars()
        about = {"run_pk": pk, "key": "only here", "count": 1, "non_finite": 0, "project_pk": 1}
        places = {"first_step": 7, "last_step": 7, "last_value": 2.0, "last_segment": 0}
        columns = MetricSummaryTable.__table__.columns.keys()
        said = {name: value for name, value in (about | places).items() if name in columns}
        conn.execute(insert(MetricSummaryTable).values(**said))
    row = next(row for row in compare(api, ids[0], ids[1])["metrics"] if row["key"] == "only here")
    assert (row["mode"], row["cells"][1]) == (None, None)
    assert (row["cells"][0]["best"], row["cells"][0]["best_step"]) == (2.0, 7)


def test_what_differs_is_weighed(api: Api, ids: list[str]) -> None:
    answer = compare(api, *ids)
    assert answer["space"] == {"learning_rate": {"kind": "log_uniform", "low": 0.001, "high": 0.1}}
    assert answer["importance"] == {"parameters": [{"name": "learning_rate", "share": 1.0}], "runs": 6, "message": None}


def test_runs_of_other_metrics_are_not_weighed(api: Api, ids: list[str]) -> None:
    with db.write(api.engine) as conn:
        other = submit(conn, monitor="val_loss", parameters={"units": 8})
    assert "same metric" in compare(api, ids[0], other.id)["importance"]["message"]


def test_at_most_twenty_runs_are_compared(api: Api) -> None:
    status, error = api.fail("POST", "/comparisons", {"runs": [ABSENT] * 21})
    assert (status, error["field"]) == (422, "runs")


SPACES: list[tuple[list[Any], dict[str, Any] | None]] = [
    ([1, 1], None),
    ([8, 64], {"kind": "int", "low": 8, "high": 64, "step": 1, "log": False}),
    ([1, 64], {"kind": "int", "low": 1, "high": 64, "step": 1, "log": True}),
    ([0.5, 1], {"kind": "uniform", "low": 0.5, "high": 1.0}),
    ([1e-4, 1e-2], {"kind": "log_uniform", "low": 1e-4, "high": 1e-2}),
    ([True, False], {"kind": "choices", "values": [True, False]}),
    (["adam", "sgd", "adam"], {"kind": "choices", "values": ["adam", "sgd"]}),
    ([{"a": [1]}, {"a": [2]}], {"kind": "choices", "values": [{"a": [1]}, {"a": [2]}]}),
    ([1, "1"], {"kind": "choices", "values": [1, "1"]}),
    ([2**60, 0], {"kind": "uniform", "low": 0.0, "high": 2.0**60}),
    (["x" * 500, "y"], None),
]


@pytest.mark.parametrize(("values", "dimension"), SPACES)
def test_a_parameter_that_differs_is_an_axis(values: list[Any], dimension: dict[str, Any] | None) -> None:
    found = find_space([{"p": value} for value in values])
    assert {name: one.model_dump() for name, one in found.items()} == ({"p": dimension} if dimension else {})


def test_a_parameter_that_some_runs_lack_differs() -> None:
    assert list(find_space([{"p": 1}, {}])) == ["p"]
