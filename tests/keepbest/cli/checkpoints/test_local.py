"""Runs that have no service: the command finds them in the store of this machine, and says so."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.cli.common.errors import Exit
from keepbest.contract.runs import ExternalSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live
from tests.support.states import NOON, RUN, about, make_state

VALUES = {100: 0.7, 200: 0.9, 300: 0.8}
SIBLING = RUN[:-1] + "s"


@pytest.fixture
def ids(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[int, str]:
    """Three checkpoints of one run, by step, in the folder of the test, and no tracker anywhere."""
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    return {step: keep(home, RUN, step, value) for step, value in VALUES.items()}


def keep(home: Path, run: str, step: int, value: float) -> str:
    told = about(run, value=value, at=NOON + timedelta(seconds=step))
    return Store(home / "store").write(make_state(step, step), told).manifest.id


def name(home: Path, run: str, called: str) -> None:
    """Leave the record of a run that was kept offline."""
    folder = home / "offline" / run
    folder.mkdir(parents=True)
    asked = RunRequest(id=run, name=called, source=ExternalSource(), monitor="val_loss")
    (folder / "request.json").write_text(asked.model_dump_json())


@pytest.mark.parametrize(
    ("choice", "step"),
    [([], 200), (["--best"], 200), (["--last"], 300), (["--step", "100"], 100)],
)
def test_what_is_meant_is_written_without_a_tracker(
    keepbest: Keepbest, ids: dict[int, str], tmp_path: Path, choice: list[str], step: int
) -> None:
    done = keepbest("restore", RUN[:4], *choice, "--to", tmp_path / "out", "--as", "npz", "--json")
    assert (done.status, done.json["id"], done.json["is_best"]) == (0, ids[step], step == 200)
    assert "No answer from the tracker at http://127.0.0.1:9" in done.err
    assert f"Found in the store {tmp_path / 'home' / 'store'}" in done.err
    with np.load(tmp_path / "out" / "state.npz") as file:
        assert int(file["optimizer/adam/iteration"]) == step


def test_they_are_listed_looked_into_and_pinned(keepbest: Keepbest, ids: dict[int, str], home: Path) -> None:
    listed = keepbest("checkpoints", RUN, "--json").json["checkpoints"]
    assert [(one["step"], one["value"], one["is_best"]) for one in listed] == [
        (step, value, step == 200) for step, value in VALUES.items()
    ]
    assert f"keepbest restore {RUN} --best" in keepbest("checkpoints", RUN).out
    assert f"checkpoint {ids[200]} of run {RUN}, step 200" in keepbest("checkpoint", "show", RUN).out
    assert keepbest("checkpoint", "diff", ids[100], ids[300][:8], "--json").json["equal"] is False
    looked = keepbest("inspect", RUN, "--variable", "net/head/kernel", "--json").json
    assert (looked["run"], looked["step"]) == (RUN, 200)
    refused = keepbest("inspect", RUN, "--loss")
    assert (refused.status, "needs the tracker's record" in refused.err) == (Exit.USAGE, True)
    assert keepbest("checkpoints", RUN, "--pin", ids[100]).status == 0
    assert Store(home / "store").folder.pins(RUN) == {ids[100]}
    assert keepbest("fsck").status == 0


def test_a_tracker_that_does_not_know_it(
    keepbest: Keepbest, ids: dict[int, str], live: Live, signed_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = keepbest("checkpoints", RUN)
    assert (done.status, "Found in the store" in done.err) == (0, True)
    assert "checkpoint" in keepbest("checkpoint", "show", RUN).out
    monkeypatch.setenv("KEEPBEST_TOKEN", "kb_nobody")
    assert keepbest("checkpoints", RUN).status == 0
    nowhere = keepbest("checkpoints", "zzzzzzzzzzzz")
    assert (nowhere.status, "does not have it either" in nowhere.err) == (Exit.NO_ACCESS, True)


def test_by_name_and_by_letters_that_mean_one_run(
    keepbest: Keepbest, ids: dict[int, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name(home, RUN, "my digits")
    assert keepbest("checkpoints", "my digits", "--json").json["checkpoints"][0]["run"] == RUN
    keep(home, SIBLING, 100, 0.5)
    several = keepbest("checkpoints", RUN[:6])
    assert (several.status, SIBLING in several.err) == (Exit.USAGE, True)
    assert keepbest("checkpoints", RUN[:3]).status == Exit.UNREACHABLE
    monkeypatch.setenv("KEEPBEST_MODE", "offline")  # then no tracker is asked
    assert keepbest("checkpoints", SIBLING).err == ""
    assert keepbest("checkpoints", "../../etc").status == Exit.NOT_FOUND


def test_a_receipt_needs_the_trackers_record_of_the_run(keepbest: Keepbest, ids: dict[int, str]) -> None:
    refused = keepbest("restore", RUN, "--verify")
    assert (refused.status, "needs the tracker's record" in refused.err) == (Exit.USAGE, True)
