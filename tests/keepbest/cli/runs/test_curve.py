"""`keepbest curve`: a metric drawn, as CSV and as JSON, against the real tracker."""

from __future__ import annotations

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def measure(live: Live, worker: FakeWorker, key: str, values: list[float | str]) -> str:
    with live.client() as client:
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name="first")).id
    worker.claim()
    steps = list(range(10, 10 * len(values) + 1, 10))
    column = {"segment": 0, "key": key, "steps": steps, "values": values, "times": [1.0] * len(values)}
    worker.say(columns=[column])
    return run


def test_a_curve_is_drawn_with_its_best(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = measure(live, worker, "val_loss", [3.0, 1.0, 2.0, "NaN"])
    drawn = keepbest("curve", run[:6], "val_loss", "--width", "40", "--height", "6").out.splitlines()
    assert drawn[0] == f"val_loss of first ({run}): 4 points, best 1 @ 20"
    assert drawn[1].startswith("          3 ┤")
    assert drawn[6].startswith("          1 ┤")
    assert "●" in drawn[6]
    assert drawn[6].endswith("✗")
    assert drawn[-1].split() == ["10", "40"]
    assert max(map(len, drawn[1:])) <= 53


def test_a_curve_as_csv_has_every_point(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = measure(live, worker, "loss", [1.5, "NaN"])
    lines = keepbest("curve", run, "loss", "--csv").out.splitlines()
    assert lines == ["step,value,time,segment,ghost", "10,1.5,1.0,0,0", "20,nan,1.0,0,0"]


def test_a_curve_as_json_is_the_apis(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = measure(live, worker, "loss", [1.5, 2.5])
    assert keepbest("curve", run, "loss", "--json").json["pieces"][0]["values"] == [1.5, 2.5]


def test_a_curve_that_is_not_there_names_the_nearest(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = measure(live, worker, "val_loss", [1.5])
    told = keepbest("curve", run, "val_los")
    assert told.status == Exit.NOT_FOUND
    assert "next: Did you mean 'val_loss'?" in told.err


def test_a_curve_of_no_number_says_so(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = measure(live, worker, "loss", ["NaN", "NaN"])
    assert keepbest("curve", run, "loss").err == "None of its values is finite.\n"
