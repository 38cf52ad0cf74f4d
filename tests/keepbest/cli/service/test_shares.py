"""`keepbest share`, `shares`, `unshare`, against the real tracker."""

from __future__ import annotations

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.access import SignIn
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

FILTER = "tag = 'a b'"


@pytest.fixture
def run(signed_in: None, worker: FakeWorker, keepbest: Keepbest) -> str:
    asked = ("submit", "hvass-cnn", "--project", "team/digits", "--name", "first", "--json")
    return str(keepbest(*asked).json["id"])


def test_a_run_is_shared_listed_and_unshared(run: str, keepbest: Keepbest, live: Live) -> None:
    made = keepbest("share", run, "--days", "1")
    assert made.out.startswith(f"{live.url}/shared#kb_")
    assert f"sees run {run} (first) until" in made.err
    (item,) = keepbest("shares", "--json").json["shares"]
    assert (item["run"], item["project"], item["path"]) == (run, "team/digits", None)
    assert f"run {run} (first)" in keepbest("shares").out
    assert keepbest("unshare", item["id"]).out == f"Ended {item['id']}.\n"
    assert keepbest("shares").out == "No links.\n"
    assert keepbest("unshare", item["id"]).status == Exit.NOT_FOUND


def test_the_runs_of_a_filter_are_shared(run: str, keepbest: Keepbest) -> None:
    made = keepbest("share", "--project", "team/digits", "name ~ first", "--json").json
    assert (made["run"], made["q"], SignIn(share=made["path"].partition("#")[2]).code) == (None, "name ~ first", None)
    assert "that fit name ~ first" in keepbest("shares").out
    assert keepbest("share", "--project", "team/digits", FILTER + " and").status == Exit.USAGE


@pytest.mark.parametrize("days", ["0.01", "91"])
def test_a_link_lasts_an_hour_to_90_days(run: str, keepbest: Keepbest, days: str) -> None:
    assert keepbest("share", run, "--days", days).status == Exit.USAGE
