"""`keepbest diff`: what changed from the best to the last, against the real tracker."""

from __future__ import annotations

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.classified import list_panels, predict
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def train(live: Live, worker: FakeWorker) -> str:
    with live.client() as client:
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name="first")).id
    worker.claim()
    for step, value, mistakes in ((100, 0.9, {0: 1}), (200, 0.8, {1: 0, 5: 1})):
        worker.report_validation(step, value, improved=step == 100, best_step=100, best_value=0.9)
        worker.say(panels=list_panels(step, predict(mistakes)))
    return run


def test_examples_and_cells_that_changed_are_shown(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    told = keepbest("diff", train(live, worker)[:6])
    assert told.status == Exit.OK
    lines = [" ".join(line.split()) for line in told.out.splitlines()]
    assert "1 newly right, 2 newly wrong, 0 wrong at both ends, of 12 examples" in lines
    assert {"1 newly wrong dog dog cat", "5 newly wrong fox fox dog", "0 newly right cat dog cat"} <= set(lines)
    assert {"cat cat 3 4 +1", "cat dog 1 0 -1", "fox dog 0 1 +1"} <= set(lines)
    assert "note: The weights are not compared: " in told.err


def test_a_difference_as_json_has_every_part(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    difference = keepbest("diff", train(live, worker), "--at", "last", "--against", "100", "--json").json
    assert [difference[end]["step"] for end in ("first", "second")] == [200, 100]
    assert (difference["examples"]["newly_right"], difference["weights"]) == (2, None)


def test_an_end_that_is_none_is_refused(keepbest: Keepbest) -> None:
    refused = keepbest("diff", "abcd", "--at", "worst")
    assert (refused.status, "field: first_at" in refused.err) == (Exit.USAGE, True)
