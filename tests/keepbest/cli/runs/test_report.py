"""`keepbest report` against the real tracker."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.base import new_id
from keepbest.contract.runs import ExternalSource, Mode, RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.cli.runs.test_replay import VALUES, train
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_one_run(keepbest: Keepbest, live: Live, worker: FakeWorker, tmp_path: Path) -> None:
    run = train(live, worker, VALUES, name="first")
    printed = keepbest("report", run[:6]).out
    assert f"# first ({run})" in printed
    assert "| val_accuracy | 0.95 at step 700 |" in printed
    assert "| validations it was chosen from | 12 |" in printed
    assert "| measured on | 360 examples |" in printed
    assert "Selected, optimistic" in printed
    assert "is 0.05: 18 examples, 3.16 standard errors." in printed, printed
    assert keepbest("report", run, "--to", str(tmp_path / "out")).status == Exit.OK
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{run}.svg", "report.html", "report.md"}
    assert f"]({run}.svg)" in (tmp_path / "out" / "report.md").read_text()


def test_a_scripts_report_says_nothing_that_the_script_never_did(keepbest: Keepbest, live: Live) -> None:
    with live.client() as client:
        run = client.submit(RunRequest(source=ExternalSource(), name="own", mode=Mode.MIN)).id
    printed = keepbest("report", run).out
    assert "| source | its own script |" in printed
    assert "a validation every" not in printed
    assert "| seed |" not in printed


def test_what_was_selected_says_what_it_cost(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name="soup"))
    worker.claim()
    ids = {step: worker.checkpoint(step, value) for step, value in {100: 0.8, 200: 0.9}.items()}
    for step, value in {100: 0.8, 200: 0.9, 300: 0.7}.items():
        worker.report_validation(step, value)
    pair = [ids[200], ids[100]]
    tried = [{"made_of": pair, "value": 0.95, "is_kept": True}, {"made_of": pair[:1], "is_kept": False}]
    made = {
        "selector": {"name": "greedy_soup", "params": {"k": 3}}, "checkpoint": "0" * 12, "step": 200, "value": 0.95,
        "made_of": pair, "best_checkpoint": ids[200], "best_step": 200, "best_value": 0.9, "batches": 8,
        "candidates": [{"checkpoint": id, "step": step, "value": 0.9} for step, id in ids.items()], "trials": tried,
        "message": "the average of steps 200, 100",
    }  # fmt: skip
    test = {"step": 200, "n": 300, "values": {"accuracy": 0.9}, "checkpoint": "0" * 12}
    worker.finish(selection=made, test=test)
    printed = keepbest("report", worker.run).out
    assert "the best of 3 validations and 2 trials on the same examples" in printed
    assert "| val_accuracy | 0.9 at step 200 |" in printed  # the best stays the best
    assert "| selector | greedy_soup(k=3) |" in printed
    assert "| beside the best's | 0.9 at step 200 |" in printed
    assert "| batch statistics of | 8 training batches |" in printed
    assert "| 200, 100 | 0.95 | kept |" in printed
    assert "| 200 | - | not kept |" in printed
    assert "Measured at the average that was selected, on 300 examples." in printed


def test_several_runs(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    runs = [train(live, worker, [0.5, best], name=f"seed-{best}", seed=place) for place, best in enumerate((0.6, 0.9))]
    printed = json.loads(keepbest("report", *runs, "--json").out)["markdown"]
    assert "The same source, data and parameters under 2 seeds: 0, 1." in printed
    assert "| best | 2 | 0.75 | 0.6 | 0.9 |" in printed


TEST = {"step": 700, "n": 360, "values": {"accuracy": 0.9}}


def test_a_second_look_at_the_test_set_is_told(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    """Once is honest. Who goes on after that may do so because of what the test set said."""
    run = train(live, worker, VALUES, kept=700, test=TEST)
    assert "measured 2 times" not in keepbest("report", run).out
    assert keepbest("resume", run, "--max-steps", "20000").status == Exit.OK
    assert "tested before    accuracy 0.9 on 360 examples, at step 700 (" in keepbest("show", run).out
    worker.writer, worker.numbers = new_id(), count(1)
    worker.claim()
    worker.finish(test={**TEST, "step": 1300, "values": {"accuracy": 0.95}})
    printed = keepbest("report", run).out
    assert "The test set was measured 2 times" in printed
    assert "| 700 | accuracy 0.9 |" in printed
    assert "| 1,300 | accuracy 0.95 |" in printed
    assert "tested before    accuracy 0.9 on 360 examples" in keepbest("show", run).out


def test_a_report_is_not_written_over_a_file(keepbest: Keepbest, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused = keepbest("report", "abcd", "--to", str(tmp_path / "file"))
    assert (refused.status, (tmp_path / "file").read_text()) == (Exit.USAGE, "mine")


def test_what_is_neither_run_nor_sweep(keepbest: Keepbest) -> None:
    refused = keepbest("report", "zzzz")
    assert refused.status == Exit.NOT_FOUND
    assert "no run and no sweep 'zzzz'" in refused.err
    assert "keepbest sweeps" in refused.err
