"""A run from submission to its end: real tracker, real agent, real trainer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from keepbest.contract.commands import CheckpointRequest, RollBackRequest, StopRequest
from keepbest.contract.runs import Run
from keepbest.status import RunState, StopReason
from tests.support.processes import ROOT, wait_until
from tests.worker.needs import need_tensorflow
from tests.worker.service import POLL_SECONDS, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

CNN: dict[str, Any] = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "data": "digits"}
PATIENCE: dict[str, Any] = {"stopper": {"name": "patience", "params": {"steps": 150}}}


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    need_tensorflow()


def measure_anew(service: Service, run: Run) -> dict[str, Any]:
    request = {
        "spec": run.spec.model_dump(mode="json"),
        "run": run.id,
        "checkpoint": run.best_checkpoint,
        "store": str(service.folder / "store"),
    }
    command = [sys.executable, "-m", "worker.trainer.verify"]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=True, cwd=ROOT)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_it_stops_between_two_looks_comes_back_to_its_best_and_measures_the_test_set(service: Service) -> None:
    service.start_worker()
    run = service.wait_for(service.submit(**CNN, **PATIENCE, parameters={"learning_rate": 0.03}))
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.PATIENCE)
    assert run.best_step is not None
    assert run.step == run.best_step + 151
    assert run.test is not None
    assert (run.test.step, run.test.n, run.test.checkpoint) == (run.best_step, 300, run.best_checkpoint)
    assert run.test.values["accuracy"] > 0.8
    assert (run.resume, run.resume_note) == ("exact", None)
    answer = measure_anew(service, run)
    assert answer["recorded"] == answer["restored"] == run.best_value
    assert answer["n"] == 300


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
    run = service.submit(**CNN, **endless)
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
