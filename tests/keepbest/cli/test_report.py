"""`keepbest report` against the real tracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keepbest.cli.failing import Exit
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.cli.test_replay import VALUES, train
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_one_run(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = train(live, worker, VALUES, name="first")
    printed = keepbest("report", run[:6]).out
    assert f"# first ({run})" in printed
    assert "| val_accuracy | 0.95 at step 700 |" in printed
    assert "| looks it was chosen from | 12 |" in printed
    assert "| measured on | 360 examples |" in printed
    assert "Selected, optimistic" in printed
    assert "is 0.05: 18 examples, 3.16 standard errors." in printed, printed
    assert keepbest("report", run, "--to", str(tmp_path / "out")).status == Exit.OK
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{run}.svg", "report.html", "report.md"}
    assert f"]({run}.svg)" in (tmp_path / "out" / "report.md").read_text()


def test_several_runs(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    runs = [train(live, worker, [0.5, best], name=f"seed-{best}", seed=place) for place, best in enumerate((0.6, 0.9))]
    printed = json.loads(keepbest("report", *runs, "--json").out)["markdown"]
    assert "The same source, data and parameters under 2 seeds: 0, 1." in printed
    assert "| best | 2 | 0.75 | 0.6 | 0.9 |" in printed


def test_a_report_is_not_written_over_a_file(keepbest: Keepbest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused = keepbest("report", "abcd", "--to", str(tmp_path / "file"))
    assert (refused.status, (tmp_path / "file").read_text()) == (Exit.USAGE, "mine")
