"""A run from submission to its end: real tracker, real agent, real trainer."""

from __future__ import annotations

import pytest

from keepbest.status import RunState, StopReason
from tests.worker.needs import need_tensorflow
from tests.worker.service import Service


@pytest.mark.slow
def test_the_tutorial_s_network_stops_early_on_digits(service: Service) -> None:
    need_tensorflow()
    service.start_worker()
    run_id = service.submit(source={"kind": "recipe", "name": "hvass-cnn"}, data="digits")
    run = service.wait_for(run_id, seconds=110)
    assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.PATIENCE)
    assert run.best_value is not None
    assert run.best_value > 0.95
    assert run.test is not None
    assert run.test.step == run.best_step
