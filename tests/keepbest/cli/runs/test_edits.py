"""`keepbest rename | tag | note`, on one run and on many, against the real tracker."""

from __future__ import annotations

import io

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import ExternalSource, Run, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")


def submit(live: Live, **given: object) -> Run:
    with live.client() as client:
        return client.submit(RunRequest.model_validate({"source": ExternalSource(), "name": "first", **given}))


def find(live: Live, run: Run) -> Run:
    with live.client() as client:
        return client.run(run.id)


def test_rename_gives_another_name(keepbest: Keepbest, live: Live) -> None:
    run = submit(live)
    assert keepbest("rename", run.id[:6], "the good one").out == f"{run.id} is named the good one.\n"
    assert find(live, run).name == "the good one"


def test_rename_refuses_what_is_no_name(keepbest: Keepbest, live: Live) -> None:
    run = submit(live)
    refused = keepbest("rename", run.id, " spaces ")
    assert (refused.status, find(live, run).name) == (Exit.USAGE, "first")
    assert "field: name" in refused.err


def test_one_wrong_run_changes_none(keepbest: Keepbest, live: Live) -> None:
    run = submit(live)
    assert keepbest("rename", run.id, "abcdabcdabcd", "new").status == Exit.NOT_FOUND
    assert find(live, run).name == "first"


def test_tag_puts_on_and_takes_away(keepbest: Keepbest, live: Live) -> None:
    run = submit(live, tags=["paper", "team=red"])
    told = keepbest("tag", run.id, "-paper", "+vision", "team=blue")
    assert told.out == f"{run.id} (first): vision, team=blue\n"
    assert find(live, run).tags == ["vision", "team=blue"]


@pytest.mark.parametrize("words", [["--vision"], ["-"], []])
def test_tag_refuses_what_is_no_tag(keepbest: Keepbest, live: Live, words: list[str]) -> None:
    run = submit(live)
    refused = keepbest("tag", run.id, *words)
    assert refused.status == Exit.USAGE
    assert "next: keepbest tag RUN +word -word key=value" in refused.err


def test_a_run_that_refuses_holds_up_no_other(keepbest: Keepbest, live: Live) -> None:
    full, free = submit(live, tags=[f"t{number}" for number in range(50)]), submit(live)
    told = keepbest("tag", full.id, free.id, "+new")
    assert (told.status, told.out) == (Exit.ERROR, f"{free.id} (first): new\n")
    assert told.err.startswith(f"error: Run {full.id}: tags: ")
    assert find(live, free).tags == ["new"]
    assert [run["id"] for run in keepbest("tag", full.id, free.id, "+other", "--json").json] == [free.id]


def test_the_only_run_that_refuses_is_the_error(keepbest: Keepbest, live: Live) -> None:
    full = submit(live, tags=[f"t{number}" for number in range(50)])
    assert keepbest("tag", full.id, "+new").status == Exit.USAGE


def test_edits_reach_every_run_of_a_filter(keepbest: Keepbest, live: Live) -> None:
    ids = {submit(live, name=name).id for name in ("mnist a", "mnist b")}
    other = submit(live, name="other")
    changed = keepbest("tag", "+seen", "--filter", "mnist", "--json").json
    assert {run["id"] for run in changed} == ids
    assert all(run["tags"] == ["seen"] for run in changed)
    assert find(live, other).tags == []


def test_a_filter_that_no_run_fits_is_said(keepbest: Keepbest, live: Live) -> None:
    told = keepbest("note", "--filter", "nowhere", "text")
    assert (told.status, told.err.splitlines()[0]) == (Exit.NOT_FOUND, "error: No run fits 'nowhere'.")


@pytest.mark.parametrize("words", [["text"], ["abcd", "text", "--filter", "mnist"]])
def test_runs_are_named_in_one_way(keepbest: Keepbest, words: list[str]) -> None:
    assert keepbest("note", *words).status == Exit.USAGE


def test_note_writes_appends_and_clears(keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit(live)
    keepbest("note", run.id, "one")
    monkeypatch.setattr("sys.stdin", io.StringIO("two\nthree\n"))
    keepbest("note", run.id, "--append", "-")
    assert find(live, run).notes == "one\ntwo\nthree"
    keepbest("note", run.id, "")
    assert find(live, run).notes == ""
