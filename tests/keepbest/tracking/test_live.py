"""Runs of users' own scripts at the real tracker."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from keepbest.client.client import Client
from keepbest.contract.commands import StopRequest
from keepbest.contract.runs import Mode
from keepbest.journal.left_over import drain_left_over
from keepbest.status import RunState, StopReason
from keepbest.stopping import Losses
from keepbest.stopping.losses import MAX_EXAMPLES
from keepbest.stopping.pairs import from_record
from keepbest.tracking.init import init
from keepbest.tracking.offline import find_offline, send_offline
from keepbest.tracking.run import Run
from tests.support.live import Live
from tests.support.processes import Processes, wait_until
from tests.support.tiny_tracker import settings_of


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


def begin(live: Live, folder: Path, how: str = "online") -> Run:
    settings = settings_of(folder, live.url, how, live.admin)
    return init(
        monitor="val_accuracy", mode="max", stopper="patience(checks=2)", config={"rate": 0.5}, settings=settings
    )


def train(run: Run) -> None:
    for step in range(1, 100):
        run.log({"loss": 1 / step}, step=step)
        if step % 10 == 0 and run.report_validation(step, min(step, 30) / 100, n=100).stop:
            return


def test_a_script_that_stops_early(live: Live, tmp_path: Path, client: Client) -> None:
    with begin(live, tmp_path) as run:
        train(run)
    known = client.run(run.id)
    assert (known.state, known.stop_reason) == (RunState.FINISHED, StopReason.PATIENCE)
    assert (known.best_step, known.best_value, known.validations) == (30, 0.3, 5)
    assert known.spec.parameters == {"rate": 0.5}
    validations = client.validations(run.id).validations
    assert [
        (validation.step, validation.decision.improved, validation.decision.patience_left) for validation in validations
    ][-2:] == [
        (40, False, 1),
        (50, False, 0),
    ]
    assert validations[-1].decision.at_step == 50
    assert client.curve(run.id, "loss").total == 50
    assert client.curve(run.id, "val_accuracy").pieces[0].values[-1] == 0.3


def test_many_validations_with_large_examples_arrive_offline(live: Live, tmp_path: Path, client: Client) -> None:
    """A batch that the tracker refuses loses its validations, curves and log lines."""
    losses = np.linspace(0, 1, MAX_EXAMPLES)
    with begin(live, tmp_path, "offline") as run:
        for step in range(40):
            run.report_validation(step, 0.5 + step / 100, losses=losses)
    (folder,) = find_offline(tmp_path / "offline")
    assert send_offline(folder, client) is not None
    assert len(client.validations(run.id).validations) == 40
    page = client.validations(run.id, examples=True, after=client.validations(run.id).validations[-2].seq)
    (last,) = page.validations
    assert last.examples is not None
    assert from_record(last.examples.model_dump()) == Losses.of(losses)
    assert client.curve(run.id, "val_accuracy").total == 40


def test_an_offline_run_is_the_same_run_later(live: Live, tmp_path: Path, client: Client) -> None:
    with begin(live, tmp_path, "offline") as run:
        train(run)
    (folder,) = find_offline(tmp_path / "offline")
    sent = send_offline(folder, client)
    assert sent is not None
    assert (sent.run, sent.is_over) == (run.id, True)
    known = client.run(sent.run)
    assert (known.state, known.stop_reason, known.best_value) == (RunState.FINISHED, StopReason.PATIENCE, 0.3)
    assert client.curve(known.id, "loss").total == 50


def test_a_stop_asked_for_reaches_the_script(live: Live, tmp_path: Path, client: Client) -> None:
    with begin(live, tmp_path) as run:
        wait_until(lambda: client.run(run.id).state is RunState.RUNNING, what="the run to be running")
        client.command(run.id, StopRequest())
        wait_until(lambda: run.commands, what="the command")
        assert run.report_validation(1, 0.5).reason is StopReason.USER
    assert client.run(run.id).stop_reason is StopReason.USER
    assert [command.state.value for command in client.commands(run.id).commands] == ["done"]


def test_a_mode_found_late_is_told(live: Live, tmp_path: Path, client: Client) -> None:
    settings = settings_of(tmp_path, live.url, "online", live.admin)
    with init(monitor="val_loss", settings=settings) as run:
        run.set_mode("min")
        run.report_validation(1, 0.5)
        run.report_validation(2, 0.25)
    known = client.run(run.id)
    assert (known.mode, known.best_step) == (Mode.MIN, 2)


def test_an_error_is_on_the_runs_page(live: Live, tmp_path: Path, client: Client) -> None:
    with pytest.raises(ValueError, match="boom"), begin(live, tmp_path) as run:
        raise ValueError("boom \ud800")
    known = client.run(run.id)
    assert known.state is RunState.FAILED
    assert known.error is not None
    assert known.error.message.startswith("ValueError: boom")


SCRIPT = """
import sys, time, keepbest
run = keepbest.init(monitor="val_accuracy", mode="max", dir=sys.argv[1])
for step in range(1, 10**9):
    run.log({"loss": 0.5}, step=step)
    if step % 100 == 0:
        print(run.id, flush=True)
        time.sleep(0.01)
"""


def test_what_a_killed_script_wrote_down_arrives_once(
    live: Live, tmp_path: Path, client: Client, processes: Processes
) -> None:
    process = processes.start(sys.executable, "-c", SCRIPT, tmp_path, KEEPBEST_URL=live.url, KEEPBEST_TOKEN=live.admin)
    process.wait_until(lambda: process.output.count("\n") > 30, what="thirty lines")
    run = process.output.split()[-2]  # the last line but the one being written; the first is the address of the run
    process.wait_until(lambda: client.metrics(run).metrics, what="the first points")
    process.send(signal.SIGKILL)
    process.wait()
    drain_left_over(tmp_path / "journals", client)
    (piece,) = client.curve(run, "loss", max_points=100_000).pieces
    assert piece.steps == list(range(1, len(piece.steps) + 1))
