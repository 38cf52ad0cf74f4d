"""`keepbest replay` against the real tracker."""

from __future__ import annotations

import io
from itertools import count

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def train(
    live: Live,
    worker: FakeWorker,
    values: list[float],
    kept: int | None = None,
    test: dict[str, object] | None = None,
    **asked: object,
) -> str:
    """A finished run with a validation each 100 steps on 360 examples, and a checkpoint of the step that is kept."""
    with live.client() as client:
        request = {"source": RecipeSource(name="hvass-cnn"), "project": "digits", **asked}
        run = client.submit(RunRequest.model_validate(request)).id
    worker.numbers = count(1)
    worker.claim()
    for place, value in enumerate(values, start=1):
        worker.report_validation(100 * place, value)
    if kept is not None:
        worker.checkpoint(kept, values[kept // 100 - 1])
    worker.finish(test=test)
    return run


VALUES = [0.5, 0.75, 0.9, 0.75, 0.75, 0.75, 0.95, 0.9, 0.9, 0.9, 0.9, 0.9]


def test_one_run(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = train(live, worker, VALUES, kept=700, name="first")
    printed = keepbest("replay", run[:6], "--stop", "patience(2)", "--stop", "4checks", "--stop", "9")
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert lines[0] == "first #1: val_accuracy 0.95 @ 700, 12 validations up to step 1,200"
    assert lines[2] == "policy stops at best @ step steps saved time saved lost (examples) checkpoint"
    assert lines[3].startswith("patience(2) front 500 0.9 @ 300 700 (58 %)")
    assert lines[3].endswith("0.05 (18) nearest 700")
    assert lines[4].startswith("4checks best 1,100 0.95 @ 700 100 (8 %)")
    assert lines[4].endswith("nothing kept")
    assert lines[5] == "9 censored 0.95 @ 700 - - - kept"
    assert "4checks would have kept the same best and saved 8 % of the steps." in lines[7]
    assert lines[8] == "keepbest submit … --stop 4checks"


def test_a_project(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    for _ in range(2):
        train(live, worker, VALUES)
    lines = [
        " ".join(line.split())
        for line in keepbest("replay", "-p", "digits", "--stop", "2", "--stop", "4").out.splitlines()
    ]
    assert lines[0] == "2 runs that watch val_accuracy"
    assert lines[3] == "2 front 0 of 2 58 % 700 0.05 0 0"
    assert lines[4] == "4 best 2 of 2 8 % 100 0 0 0"
    assert "the choice kept the best in 2 of 2 and saved 8 % of the steps." in lines[6]


def test_more_may_be_lost_where_one_says_so(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = train(live, worker, VALUES)
    asked = ("replay", run, "--stop", "2", "--stop", "4", "--json")
    assert [keepbest(*asked, *more).json["recommended"] for more in ((), ("--tolerate", "0.06"))] == [1, 0]


def test_the_ladder_and_what_is_left_out(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = train(live, worker, VALUES)
    empty = train(live, worker, [], name="empty")
    printed = keepbest("replay", run, empty)
    assert "patience(checks=5)" in printed.out
    assert f"Left out: {empty} (empty). No validations." in printed.err
    unknown = keepbest("replay", run, "--stop", "progress_quotient")
    assert (
        "progress_quotient: The policy needs the training loss at each validation, which was not recorded."
        in unknown.err
    )
    nothing = keepbest("replay", empty)
    assert (nothing.status, nothing.out) == (Exit.OK, "No policy can be replayed on these runs.\n")


def test_the_recommendation_becomes_the_default(
    keepbest: Keepbest, live: Live, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(live, worker, VALUES)
    keepbest("project", "rules", "digits", "--max-steps", "9000")
    asked = ("replay", run, "--stop", "2", "--stop", "4", "--apply")
    done = keepbest(*asked)
    assert "submitted to digits without a stopper stop by patience(checks=4) from now on" in done.err
    with live.client() as client:
        rules = client.rules("digits")
        assert (rules.stopper and rules.stopper.params, rules.max_steps) == ({"checks": 4}, 9000)
        assert keepbest(*asked).status == Exit.OK  # it is the default already: there is nothing to ask

        monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
        refused = keepbest(*asked, "--tolerate", "0.06")
        assert refused.status != Exit.OK
        assert "is patience(checks=4). Replace it by patience(checks=2)?" in refused.err
        assert client.rules("digits").stopper == rules.stopper
        keepbest(*asked, "--tolerate", "0.06", "--yes", "--json")
        now = client.rules("digits").stopper
        assert now is not None
        assert now.params == {"checks": 2}


def test_nothing_is_applied_where_it_is_not_clear_what(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    runs = [train(live, worker, VALUES, project=project) for project in ("digits", "other")]
    nothing = keepbest("replay", runs[0], "--stop", "20", "--apply")
    assert (nothing.status, "The replay recommends no policy" in nothing.err) == (Exit.ERROR, True)
    mixed = keepbest("replay", *runs, "--stop", "2", "--stop", "4", "--apply")
    assert (mixed.status, "belong to several projects: digits, other" in mixed.err) == (Exit.ERROR, True)
    with live.client() as client:
        assert [client.rules(project).set_by for project in ("digits", "other")] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ((), Exit.USAGE, "next: keepbest replay RUN"),
        (("zzzzzz",), Exit.NOT_FOUND, "error: There is no run"),
        (("-p", "digits", "--stop", "pacience(3)"), Exit.USAGE, "Did you mean 'patience'?"),
    ],
)
def test_what_is_wrong_is_told(keepbest: Keepbest, arguments: tuple[str, ...], status: Exit, says: str) -> None:
    failed = keepbest("replay", *arguments)
    assert failed.status == status
    assert says in failed.err
