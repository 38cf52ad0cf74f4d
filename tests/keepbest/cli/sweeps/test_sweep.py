"""`keepbest sweep` and `keepbest sweeps` against the real tracker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.contract.sweeps import Sweep
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live
from tracker import db
from tracker.db import Engine
from tracker.scheduler import jobs
from tracker.settings import TrackerSettings

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture(autouse=True)
def worker(live: Live) -> Iterator[FakeWorker]:
    worker = live.add_worker()
    yield worker
    worker.client.close()


@pytest.fixture
def engine(sqlite_url: str, live: Live) -> Iterator[Engine]:
    engine = db.make_engine(sqlite_url)
    yield engine
    engine.dispose()


def begun(keepbest: Keepbest, *arguments: str) -> Sweep:
    done = keepbest("sweep", "--json", *arguments)
    assert done.status == 0, done.err
    return Sweep.model_validate(done.json)


def schedule(engine: Engine) -> None:
    jobs.top_up_sweeps(TrackerSettings.load({}), engine, datetime.now(UTC))


def train(engine: Engine, worker: FakeWorker, *values: float) -> None:
    """Let the scheduler make the runs and the worker train them, to these values."""
    for value in values:
        schedule(engine)
        worker.numbers = count(1)
        worker.claim()
        worker.report_validation(100, value, improved=True)
        worker.finish()
    schedule(engine)


def test_a_grid_with_the_options_of_submit(keepbest: Keepbest, engine: Engine, live: Live) -> None:
    sweep = begun(
        keepbest, "hvass-cnn", "--grid", "learning_rate=0.1,0.01", "--grid", "units=int(8,16,step=4)",
        "--set", "padding=valid", "--data", "mnist", "--patience", "500steps", "--name", "mine", "-p", "digits",
        "--at-once", "2", "--seed", "7", "--keep-examples", "8", "--no-stall", "--strict",
    )  # fmt: skip
    assert (sweep.search, sweep.runs, sweep.at_once, sweep.seed) == ("grid", 6, 2, 7)
    assert (sweep.name, sweep.project, sweep.monitor) == ("mine", "digits", "val_accuracy")
    assert list(sweep.space) == ["learning_rate", "units"]
    schedule(engine)
    with live.client() as client:
        spec = client.runs().runs[0].spec
    assert (spec.keep_examples, spec.stall, spec.strict) == (8, False, True)


@pytest.mark.parametrize(
    ("options", "search"),
    [
        (["--tpe", "learning_rate=log(1e-5,1e-1)"], "tpe"),
        (["--random", "learning_rate=log(1e-5,1e-1)", "--space", "units=int(8,64)"], "random"),
        (["--space", "learning_rate=log(1e-5,1e-1)"], "tpe"),
        (["--space", "units=8,16", "--search", "grid"], "grid"),
        (["--grid", "units=8,16", "--search", "grid"], "grid"),
    ],
)
def test_the_search_is_said_by_the_option_or_by_its_name(keepbest: Keepbest, options: list[str], search: str) -> None:
    assert begun(keepbest, "hvass-cnn", *options).search == search


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["hvass-cnn"], "Say which parameters to try"),
        (["--tpe", "units=1,2"], "Say what to train"),
        (["hvass-cnn", "--grid", "units=1,2", "--tpe", "units=1,2"], "--grid and --tpe exclude each other"),
        (["hvass-cnn", "--grid", "unit=1,2"], "no parameter 'unit'.\nfield: unit\nnext: Did you mean 'units'?"),
        (["hvass-cnn", "--grid", "units=1,x"], "units is a whole number, but got 'x'"),
        (["hvass-cnn", "--grid", "learning_rate=uniform(0,1)"], "infinitely many values"),
        (["hvass-cnn", "--grid", "units=1,2", "--set", "units=3"], "units is both set and tried"),
        (["hvass-cnn", "--tpe", "units=uniform(1,9)"], "field: space.units"),
        (["hvass-cnn", "--tpe", "units=int(1,9)", "--runs", "0"], "--runs"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(keepbest: Keepbest, arguments: list[str], told: str) -> None:
    done = keepbest("sweep", *arguments)
    assert done.status == Exit.USAGE
    assert told in done.err


def test_code_and_commands_are_swept_too(
    keepbest: Keepbest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "net.py").write_text("def build(layers: int, rate: float = 0.1): ...\n")
    monkeypatch.chdir(tmp_path / "mine")
    assert begun(keepbest, "net.py", "--grid", "layers=1,2").source == "net.py:build"
    sweep = begun(keepbest, "--random", "rate=0.5", "--runs", "1", "--", "python", "net.py", "--rate", "{rate}")
    schedule(engine)
    (run,) = keepbest("sweep", "show", sweep.id, "--json").json["runs"]
    shown = keepbest("show", run["run"]).out
    assert "python net.py --rate 0.5" in shown
    assert f"{sweep.id}, run 1 of it" in shown


def test_a_sweep_is_watched_shown_and_listed(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    told = keepbest("sweep", "hvass-cnn", "--grid", "learning_rate=0.1,0.01,0.001", "--name", "rates")
    assert told.out.startswith("Began sweep ")
    (listed,) = keepbest("sweeps", "--json").json["sweeps"]
    train(engine, worker, 0.5, 0.9, 0.7)
    done = keepbest("sweep", "watch", listed["id"][:6])
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert done.status == 0
    assert [line.split()[0] for line in lines[:3]] == ["1/3", "2/3", "3/3"]
    assert lines[1].endswith("finished 0.9 @ 100 learning_rate=0.01 * best")
    assert lines[3] == f"Sweep {listed['id']} finished: 3 of 3 made, 3 finished."
    shown = [" ".join(line.split()) for line in keepbest("sweep", "show", listed["id"]).out.splitlines()]
    assert "learning_rate 0.1, 0.01, 0.001" in shown
    assert any(line.endswith("finished 0.01 0.9 @ 100 best") for line in shown)
    assert "Known once 5 runs have finished with different values." in shown
    assert "rates finished grid 3 of 3 0 0.9 learning_rate=0.01" in " ".join(keepbest("sweeps").out.split())


def test_json_is_a_line_a_run_and_the_sweep_at_last(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8,16")
    train(engine, worker, 0.5, 0.4)
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in keepbest("sweep", "watch", sweep.id, "--json").out.splitlines()
    ]
    assert [line.get("parameters") for line in lines] == [{"units": 8}, {"units": 16}, None]
    assert lines[2]["best"]["best_value"] == 0.5


def test_rungs_and_who_waits_at_them_are_shown(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    stop = ["--stop", "patience(9) | successive_halving(100, factor=2)"]
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8,16", *stop)
    for value in (0.5, 0.9):
        schedule(engine)
        worker.numbers = count(1)
        worker.claim()
        worker.report_validation(100, value, improved=True)
        worker.finish("paused", rung=1, stop_message="rung 1 at step 100: waits")
    lines = [" ".join(line.split()) for line in keepbest("sweep", "show", sweep.id).out.splitlines()]
    assert "rungs at step 100 and each time 2 times further; one of 2 goes on" in lines
    assert "runs 2 of 2 made, 2 paused" in lines
    assert any(line.endswith("paused 1 16 0.9 @ 100 best") for line in lines)
    assert "1 100 2 2 0 0.9" in lines
    run = worker.run
    assert "paused (successive_halving)" in keepbest("ls").out
    assert "why rung 1 at step 100: waits" in " ".join(keepbest("show", run).out.split())
    assert "next: Let it go on: `keepbest resume" in keepbest("stop", run).err
    worker.numbers = count(1)
    schedule(engine)
    worker.claim()
    promoted = " ".join(keepbest("show", run).out.split())
    assert "taken up 2 times" in promoted
    assert "failed attempts" not in promoted  # it said "attempt 2 of 3", though nothing had failed
    worker.finish("crashed")
    assert "failed attempts 1 of 3" in " ".join(keepbest("show", run).out.split())
    worker.numbers = count(1)
    worker.claim()
    worker.finish(stop_reason="max_steps")
    schedule(engine)
    lines = [" ".join(line.split()) for line in keepbest("sweep", "watch", sweep.id).out.splitlines()]
    assert lines[0].endswith("finished at rung 1 0.5 @ 100 units=8")
    assert lines[1].endswith("finished 0.9 @ 100 units=16 * best")


def select_one(engine: Engine, worker: FakeWorker, best: float, selected: float | None) -> str:
    """Let the next run end with a best, and with an average that its selector measured, or with nothing selected."""
    schedule(engine)
    worker.numbers = count(1)
    worker.claim()
    worker.report_validation(100, best, improved=True)
    made = {
        "selector": SOUP, "checkpoint": "0" * 12, "step": 100, "value": selected, "made_of": ["1" * 12, "2" * 12],
        "best_checkpoint": "1" * 12, "best_step": 100, "best_value": best,
        "trials": [{"made_of": ["1" * 12, "2" * 12], "value": selected, "is_kept": True}],
    }  # fmt: skip
    test = {"step": 100, "n": 300, "values": {"accuracy": 0.9}, "checkpoint": "0" * 12}
    worker.finish("finished", **({"selection": made, "test": test} if selected is not None else {}))
    return worker.run


SOUP = {"name": "greedy_soup", "params": {"k": 3}}


def test_runs_are_compared_by_what_was_selected(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    """Bug: the last words named the run with the best validation, and `restore` gave a worse model than another's."""
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8,16,32", "--select", "greedy_soup(k=3)", "--name", "soups")
    made = [select_one(engine, worker, *values) for values in ((0.9, 0.9), (0.8, 0.95), (0.92, None))]
    schedule(engine)
    lines = [" ".join(line.split()) for line in keepbest("sweep", "watch", sweep.id).out.splitlines()]
    assert lines[1].endswith("finished 0.95 @ 100 units=16 * best")
    closing = f"0.95 @ 100 by {made[1]}, selected by greedy_soup(k=3); its best validation 0.8 @ 100"
    assert f"best: val_accuracy {closing}" in lines
    shown = [" ".join(line.split()) for line in keepbest("sweep", "show", sweep.id).out.splitlines()]
    assert f"best val_accuracy {closing}" in shown
    assert "selects greedy_soup(k=3)" in shown
    assert any(line.endswith("units best @ step selected @ step") for line in shown)
    assert any(line.endswith("finished 16 0.8 @ 100 0.95 @ 100 best") for line in shown)
    assert any(line.endswith("finished 32 0.92 @ 100 -") for line in shown)
    assert f"next: keepbest restore {made[1]} --to best-model" in shown
    assert "finished grid 3 of 3 0 0.95 units=16" in " ".join(keepbest("sweeps").out.split())
    printed = keepbest("report", sweep.id).out
    assert f"| val_accuracy | 0.95 at step 100 of soups-2 ({made[1]}) |" in printed
    assert "| selected by | greedy_soup(k=3) |\n| beside its best validation's | 0.8 at step 100 |" in printed
    assert "| validations it was chosen from | 3 |\n| averages it was chosen from | 2 |" in printed
    assert "Selected, optimistic: the best of many validations, and averages, of many runs" in printed
    assert "Measured at the average that was selected, on 300 examples." in printed
    rows = [line for line in printed.splitlines() if line.startswith(("| 1 |", "| 2 |", "| 3 |", "| try |"))]
    assert [row.split("|")[4:6] for row in rows] == [
        [" best ", " selected "], [" 0.8 ", " 0.95 "], [" 0.92 ", " - "], [" 0.9 ", " 0.9 "],
    ]  # fmt: skip
    assert "The median of 3 runs is 0.92, from 0.9 to 0.95." in printed


def test_where_the_bests_stay_nothing_is_said_twice(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8", "--select", "greedy_soup(k=3)")
    run = select_one(engine, worker, 0.9, 0.9)
    schedule(engine)
    assert f"0.9 @ 100 by {run}, selected by greedy_soup(k=3)\n" in keepbest("sweep", "watch", sweep.id).out
    assert "selected @ step" not in keepbest("sweep", "show", sweep.id).out


def test_importance_is_shown(keepbest: Keepbest, engine: Engine, worker: FakeWorker) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=1,2,3,4,5,6", "--grid", "augment=no")
    train(engine, worker, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
    shown = " ".join(keepbest("sweep", "show", sweep.id).out.split())
    assert "by 6 finished runs: parameter share units 100 % #" in shown


def test_rates_that_nobody_means_are_told(keepbest: Keepbest) -> None:
    told = keepbest("sweep", "hvass-cnn", "--tpe", "learning_rate=log(1e-4, 1e4)", "--set", "units=100").err
    assert "learning_rate=10000.0: a learning rate of 10000 is very large" in told
    assert told.count("warning") == 1


def test_a_cancelled_sweep_ends_with_its_status(keepbest: Keepbest, engine: Engine) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8,16")
    schedule(engine)
    assert keepbest("sweep", "cancel", sweep.id).out == f"Sweep {sweep.id} (hvass-cnn) is cancelled.\n"
    assert keepbest("sweep", "watch", sweep.id).status == Exit.RUN_CANCELLED
    assert keepbest("sweep", "show", "zzzzzz").status == Exit.NOT_FOUND


def test_help_names_the_verbs_and_an_empty_list_the_command(keepbest: Keepbest) -> None:
    shown = keepbest("sweep", "--help").out
    assert all(verb in shown for verb in ("start", "show", "watch", "cancel"))
    assert "keepbest sweep hvass-cnn" in keepbest("sweeps").out


def test_a_terminal_gets_a_bar_beneath_the_lines(
    keepbest: Keepbest, engine: Engine, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "units=8,16")
    train(engine, worker, 0.5, 0.4)
    monkeypatch.setattr("keepbest.cli.sweeps.watch.is_terminal", lambda: True)
    done = keepbest("sweep", "watch", sweep.id)
    assert done.status == 0
    assert "2/2" in done.out
    assert f"Sweep {sweep.id} finished" in done.out


def test_a_report_says_how_many_were_searched(
    keepbest: Keepbest, engine: Engine, worker: FakeWorker, tmp_path: Path
) -> None:
    sweep = begun(keepbest, "hvass-cnn", "--grid", "learning_rate=0.1,0.01,0.001,0.0001", "--name", "rates")
    train(engine, worker, 0.5, 0.9, 0.7)
    worker.numbers = count(1)
    worker.claim()
    worker.finish("failed")  # without a validation: nothing to choose
    printed = keepbest("report", sweep.id[:6]).out
    assert f"# rates (sweep {sweep.id})" in printed
    assert "| val_accuracy | 0.9 at step 100 of " in printed
    assert "| learning_rate | 0.01 |" in printed
    assert "| runs it was chosen from | 3 of 4: 3 finished, 1 failed |" in printed
    assert "| validations it was chosen from | 3 |" in printed
    assert "The median of 3 runs is 0.7, from 0.5 to 0.9." in printed
    assert "Known once 5 runs have finished" in printed
    assert keepbest("report", sweep.id, "--to", str(tmp_path / "out")).status == Exit.OK
    svg = (tmp_path / "out" / f"{sweep.id}.svg").read_text()
    assert (svg.count("<circle"), svg.count("<polyline")) == (3, 1)
