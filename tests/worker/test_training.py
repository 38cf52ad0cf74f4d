"""A run from submission to its end: real tracker, real agent, real trainer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.commands import CheckpointRequest, CommandRequest, PauseRequest, RollBackRequest, StopRequest
from keepbest.contract.overrides import ForkRequest, ResumeRequest
from keepbest.contract.runs import Run
from keepbest.contract.sweeps import SweepRequest
from keepbest.status import RunState, StopReason
from keepbest.stopping import parse
from tests.support.environment import clean_environment
from tests.support.need import need_tensorflow
from tests.support.processes import PATIENCE, ROOT, wait_until
from tests.support.service import POLL_SECONDS, Service, trainer_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CNN: dict[str, Any] = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "data": "digits"}
SOFTMAX: dict[str, Any] = {"source": {"kind": "recipe", "name": "softmax-beginners"}, "data": "digits"}
STOPPER: dict[str, Any] = {"stopper": {"name": "patience", "params": {"steps": 150}}}


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    need_tensorflow()


def measure_anew(service: Service, run: str, checkpoint: str, answer: Path) -> dict[str, Any]:
    """Run what `keepbest restore --verify` runs."""
    given = {"KEEPBEST_URL": service.client.url, "KEEPBEST_TOKEN": service.token, "KEEPBEST_DIR": str(service.folder)}
    command = [sys.executable, "-m", "worker.checks.verify", run, checkpoint, str(answer)]
    subprocess.run(
        command, env=clean_environment(**given), capture_output=True, check=False, cwd=ROOT, timeout=PATIENCE
    )
    said: dict[str, Any] = json.loads(answer.read_text())
    return said


def test_a_run_stops_comes_back_to_its_best_and_is_tested(service: Service, tmp_path: Path) -> None:
    service.start_worker()
    run = service.wait_for(service.submit(**CNN, **STOPPER, parameters={"learning_rate": 0.03}))
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.PATIENCE)
    assert run.best_step is not None
    assert run.step == run.best_step + 151
    assert run.last_value is not None  # the stop lies between two validations and measured nothing
    assert run.test is not None
    assert (run.test.step, run.test.n, run.test.checkpoint) == (run.best_step, 300, run.best_checkpoint)
    assert run.test.values["accuracy"] > 0.8
    assert (run.resume, run.resume_note) == ("exact", None)
    check_panels(service, run)
    receipt = measure_anew(service, run.id, str(run.best_checkpoint), tmp_path / "answer")["receipt"]
    assert receipt["recorded"] == receipt["restored"] == run.best_value
    assert (receipt["n"], receipt["step"], receipt["equal"]) == (300, run.best_step, True)
    assert measure_anew(service, run.id, "no-such-one", tmp_path / "answer")["error"]["code"] == "not_found"
    fork_it(service, run)
    resume_it(service, run)


def check_panels(service: Service, run: Run) -> None:
    """Before training, at the best and at the end the model was painted; the matrix says what the validation said."""
    made = {series.name: [place.step for place in series.places] for series in service.client.panels(run.id).panels}
    assert {"confusion", "misclassified", "outputs", "variables", "weights/hvass_cnn/layer_conv1/kernel"} <= set(made)
    assert made["graph"] == [0]
    assert {0, run.best_step, run.step} <= set(made["confusion"])
    confusion: Any = service.client.panel(run.id, "confusion", step=run.best_step).data
    right = sum(confusion.counts[place][place] for place in range(10))
    assert right == round(300 * float(run.best_value or 0))


def fork_it(service: Service, run: Run) -> None:
    """A fork begins at the best, has it as its own, and trains on with another learning rate."""
    assert run.best_step is not None
    asked = ForkRequest(learning_rate="0.1x", max_steps=run.best_step + 100)
    found = service.wait_for(service.client.fork(run.id, asked).id)
    assert (found.state, found.stop_reason, found.step) == (RunState.FINISHED, StopReason.MAX_STEPS, asked.max_steps)
    (begun,) = service.client.segments(found.id).segments
    assert (begun.reason, begun.parent, begun.start_step) == ("fork", None, run.best_step)
    assert begun.overrides == asked.overrides
    assert found.best_value is not None
    assert run.best_value is not None
    assert found.best_value >= run.best_value
    assert found.test is not None
    assert found.test.checkpoint == found.best_checkpoint


def resume_it(service: Service, run: Run) -> None:
    """It had stopped by patience: it begins to wait anew, and has its end and its test measured once more."""
    assert run.step is not None
    limit = run.step + 40
    assert service.client.resume(run.id, ResumeRequest(max_steps=limit)).test is None
    found = service.wait_for(run.id)
    assert (found.state, found.step, found.attempt, found.steps_at_most) == (RunState.FINISHED, limit, 2, limit)
    assert [part.reason for part in service.client.segments(run.id).segments] == ["start", "resume"]
    assert found.test is not None
    assert (found.best_value or 0) >= (run.best_value or 1)


def ask(service: Service, run: str, *requests: CommandRequest) -> None:
    for request in requests:
        wait_for_done(service, run, service.client.command(run, request).id)


def wait_for_done(service: Service, run: str, command: str) -> None:
    def poll() -> bool:
        time.sleep(POLL_SECONDS)
        states = {found.id: found.state.value for found in service.client.commands(run).commands}
        assert states[command] != "refused"
        return states[command] == "done"

    wait_until(poll, what=f"command {command} to be done")


def rate_of(service: Service, checkpoint: str) -> float:
    variables = service.client.variables(checkpoint).variables
    mean = next(one for one in variables if one.path.endswith("learning_rate")).mean
    assert mean is not None
    return mean


def test_a_run_of_a_sweep_pauses_at_its_rung_and_goes_on(service: Service) -> None:
    """The only run of its sweep is the best of it, so it goes on: as if it had never paused."""
    service.start_worker()
    run = {**SOFTMAX, "stopper": parse("patience(9) | successive_halving(20)"), "max_steps": 60, "validate_every": 20}
    space = {"learning_rate": {"kind": "choices", "values": [0.01]}}
    asked = SweepRequest.model_validate({"run": run, "space": space, "search": "grid"})
    sweep = service.client.begin_sweep(asked).id
    service.schedule()
    (made,) = service.client.sweep(sweep).runs
    paused = service.wait_for(made.run, RunState.PAUSED)
    assert (paused.step, paused.validations, paused.attempt) == (20, 1, 1)
    assert paused.stop_message == "Rung 1 at step 20: the best quarter go on; the run waits."
    assert [one.step for one in service.client.checkpoints(made.run).checkpoints] == [20]
    service.schedule()
    found = service.wait_for(made.run)
    assert (found.state, found.stop_reason, found.step, found.attempt) == ("finished", "max_steps", 60, 2)
    assert (found.validations, found.resume, found.test is not None) == (3, "exact", True)
    assert [(part.reason, part.start_step) for part in service.client.segments(made.run).segments] == [
        ("start", 0),
        ("resume", 20),
    ]
    service.schedule()
    assert service.client.sweep(sweep).sweep.state == "finished"


def test_a_paused_run_frees_its_slot_and_goes_on(service: Service) -> None:
    """The worker has one slot: while the first run is paused, the second is trained on it."""
    service.start_worker()
    endless = {"max_steps": 100_000, "stopper": {"name": "patience", "params": {"checks": 1000}}}
    run = service.submit(**CNN, **endless)
    service.wait_for_best(run, 50)
    ask(service, run, PauseRequest())
    paused = service.wait_for(run, RunState.PAUSED)
    assert (paused.stop_reason, paused.stop_message) == (StopReason.USER, f"Paused at step {paused.step}.")
    steps = [one.step for one in service.client.checkpoints(run).checkpoints if one.state == "durable"]
    assert steps[-1] == paused.step
    other = service.submit(**SOFTMAX, max_steps=20)
    assert service.wait_for(other).state is RunState.FINISHED
    service.client.resume(run, ResumeRequest())
    service.wait_for_segment(run, 1)
    ask(service, run, StopRequest())
    found = service.wait_for(run)
    assert (found.state, found.attempt, found.failed_attempts) == (RunState.FINISHED, 2, 0)
    again = service.client.segments(run).segments[1]
    assert (again.reason, again.start_step, again.overrides) == ("resume", paused.step, None)


def test_commands_are_obeyed_while_it_trains(service: Service) -> None:
    """The trainer is killed as soon as a changed roll back is done: the next attempt goes on with the change."""
    worker = service.start_worker()
    endless = {"max_steps": 100_000, "stopper": {"name": "patience", "params": {"checks": 1000}}}
    run = service.submit(**CNN, **endless, retention={"best": 100})
    service.wait_for_best(run, 200)
    back = RollBackRequest(step=100, learning_rate="0.1x", max_steps=90_000)
    ask(service, run, CheckpointRequest(), RollBackRequest(to="best"), back)
    os.kill(trainer_of(worker) or 0, signal.SIGKILL)
    service.wait_for_segment(run, 3)
    ask(service, run, CheckpointRequest(), StopRequest())
    found = service.wait_for(run)
    assert (found.state, found.stop_reason, found.max_steps) == (RunState.FINISHED, StopReason.USER, 90_000)
    segments = service.client.segments(run).segments
    assert [part.reason for part in segments] == ["start", "roll_back", "roll_back", "resume"]
    assert [part.parent for part in segments[:3]] == [None, 0, 0]
    assert segments[2].start_step == 100 < segments[1].start_step
    assert segments[3].start_step >= 100
    assert segments[2].overrides == back.overrides
    manual = [one for one in service.client.checkpoints(run).checkpoints if one.kind == "manual"]
    before, after = (rate_of(service, one.id) for one in sorted(manual, key=lambda one: one.segment))
    assert after == pytest.approx(before / 10)
    assert found.test is not None
    assert found.test.step == found.best_step
