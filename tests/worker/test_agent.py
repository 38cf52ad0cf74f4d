"""What happens to runs when trainers, agents and trackers die, leave and come back. Real processes, all of them."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.commands import CancelRequest
from keepbest.contract.runs import Run
from keepbest.status import RunState, StopReason
from tests.support.need import need_tensorflow
from tests.support.processes import is_alive, wait_until
from tests.support.service import LEASE_SECONDS, POLL_SECONDS, Service, trainer_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

CNN: dict[str, Any] = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "data": "digits", "max_steps": 1500}


@pytest.fixture(autouse=True)
def tensorflow() -> None:
    need_tensorflow()


def wait_for_checkpoint(service: Service, run: str, *, segment: int = 0) -> list[Checkpoint]:
    """Wait for one of this segment: whoever went on has trained, and not only whoever was there before."""

    def poll() -> list[Checkpoint]:
        time.sleep(POLL_SECONDS)
        service.expire()
        return [found for found in service.client.checkpoints(run).checkpoints if found.segment == segment]

    return wait_until(poll, what=f"a checkpoint of segment {segment}")


def history(service: Service, run: str) -> dict[int, float | None]:
    """Return the validations of the way that led to the end; where a step came twice, both must be equal."""
    validations = service.client.validations(run, limit=1000).validations
    by_step = {validation.step: validation.value for validation in validations}
    assert [by_step[validation.step] for validation in validations] == [validation.value for validation in validations]
    return by_step


def result(run: Run) -> tuple[Any, ...]:
    assert run.test is not None
    return run.state, run.stop_reason, run.best_step, run.best_value, run.test.values


def test_interrupted_in_every_way_a_run_ends_with_the_same_bits(service: Service) -> None:
    """Trainer killed; agent killed, taken over after the lease; worker asked to leave: the straight run's result."""
    worker = service.start_worker()
    straight = train_while_the_tracker_is_away(service)
    run = service.submit(**CNN)

    wait_for_checkpoint(service, run)
    os.kill(trainer_of(worker) or 0, signal.SIGKILL)
    wait_for_checkpoint(service, run, segment=1)
    trainer = trainer_of(worker)
    worker.send(signal.SIGKILL)
    wait_until(lambda: not is_alive(trainer or 0), what="the trainer's end")

    another = str(service.folder / "another")  # where nothing is left to sweep: the lease has to run out
    worker = service.start_worker(KEEPBEST_DIR=another, KEEPBEST_STORE=str(service.folder / "store"))
    wait_for_checkpoint(service, run, segment=2)
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0, worker.output
    waiting = service.client.run(run)
    assert (waiting.state, waiting.attempt) == (RunState.QUEUED, 3)

    service.start_worker()
    assert result(service.wait_for(run)) == result(straight)
    assert history(service, run) == history(service, straight.id)
    assert [part.reason for part in service.client.segments(run).segments] == ["start", "resume", "resume", "resume"]


def train_while_the_tracker_is_away(service: Service) -> Run:
    """Have a run trained in one go, longer without a tracker than its lease is long; return it, finished."""
    run = service.submit(**CNN)
    wait_for_checkpoint(service, run)
    service.stop()
    away_until = time.monotonic() + 2 * LEASE_SECONDS
    wait_until(lambda: time.monotonic() > away_until, what="the end of the outage")
    service.start()
    found = service.wait_for(run)
    assert (found.state, found.attempt) == (RunState.FINISHED, 1)
    assert sorted(history(service, run)) == list(range(100, CNN["max_steps"] + 1, 100))
    return found


def test_a_run_is_cancelled_at_once(service: Service) -> None:
    worker = service.start_worker()
    run = service.submit(**{**CNN, "max_steps": 100_000, "stopper": {"name": "patience", "params": {"steps": 90_000}}})
    wait_for_checkpoint(service, run)
    service.client.command(run, CancelRequest())
    found = service.wait_for(run)
    assert (found.state, found.stop_reason) == (RunState.CANCELLED, StopReason.USER)
    wait_until(lambda: trainer_of(worker) is None, what="the trainer's end")
    assert {command.state.value for command in service.client.commands(run).commands} == {"done"}
