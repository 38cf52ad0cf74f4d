"""A run from submission to its end: real tracker, real agent, real trainer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.commands import CheckpointRequest, RollBackRequest, StopRequest
from keepbest.status import RunState, StopReason
from tests.support.environment import clean_environment
from tests.support.processes import ROOT, wait_until
from tests.worker.needs import need_tensorflow
from tests.worker.service import POLL_SECONDS, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CNN: dict[str, Any] = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "data": "digits"}
PATIENCE: dict[str, Any] = {"stopper": {"name": "patience", "params": {"steps": 150}}}


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    need_tensorflow()


def measure_anew(service: Service, run: str, checkpoint: str, answer: Path) -> dict[str, Any]:
    """Run what `keepbest restore --verify` runs."""
    given = {"KEEPBEST_URL": service.client.url, "KEEPBEST_TOKEN": service.token, "KEEPBEST_DIR": str(service.folder)}
    command = [sys.executable, "-m", "worker.verify", run, checkpoint, str(answer)]
    subprocess.run(command, env=clean_environment(**given), capture_output=True, check=False, cwd=ROOT, timeout=100)
    said: dict[str, Any] = json.loads(answer.read_text())
    return said


def test_it_stops_between_two_looks_comes_back_to_its_best_and_measures_the_test_set(
    service: Service, tmp_path: Path
) -> None:
    service.start_worker()
    run = service.wait_for(service.submit(**CNN, **PATIENCE, parameters={"learning_rate": 0.03}))
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.PATIENCE)
    assert run.best_step is not None
    assert run.step == run.best_step + 151
    assert run.last_value is not None  # the stop lies between two looks and measured nothing
    assert run.test is not None
    assert (run.test.step, run.test.n, run.test.checkpoint) == (run.best_step, 300, run.best_checkpoint)
    assert run.test.values["accuracy"] > 0.8
    assert (run.resume, run.resume_note) == ("exact", None)
    receipt = measure_anew(service, run.id, str(run.best_checkpoint), tmp_path / "answer")["receipt"]
    assert receipt["recorded"] == receipt["restored"] == run.best_value
    assert (receipt["n"], receipt["step"], receipt["equal"]) == (300, run.best_step, True)
    assert measure_anew(service, run.id, "no-such-one", tmp_path / "answer")["error"]["code"] == "not_found"


def wait_for_done(service: Service, run: str, command: str) -> None:
    def look() -> bool:
        time.sleep(POLL_SECONDS)
        states = {found.id: found.state.value for found in service.client.commands(run).commands}
        assert states[command] != "refused"
        return states[command] == "done"

    wait_until(look, seconds=60, what=f"command {command} to be done")


def test_commands_are_obeyed_while_it_trains(service: Service) -> None:
    service.start_worker()
    endless = {"max_steps": 100_000, "stopper": {"name": "patience", "params": {"checks": 1000}}}
    run = service.submit(**CNN, **endless, retention={"best": 100})
    service.wait_for_best(run, 200)
    for request in (CheckpointRequest(), RollBackRequest(to="best"), RollBackRequest(step=100), StopRequest()):
        wait_for_done(service, run, service.client.command(run, request).id)
    found = service.wait_for(run)
    assert (found.state, found.stop_reason) == (RunState.FINISHED, StopReason.USER)
    segments = service.client.segments(run).segments
    assert [(part.parent, part.reason) for part in segments] == [(None, "start"), (0, "roll_back"), (0, "roll_back")]
    assert segments[2].start_step == 100 < segments[1].start_step
    assert "manual" in {checkpoint.kind for checkpoint in service.client.checkpoints(run).checkpoints}
    assert found.test is not None
    assert found.test.step == found.best_step
