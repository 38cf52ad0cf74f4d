"""The pace of a run that trains: from the validations of its present segment, and of no other."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api
from tests.support.trainer import Trainer, start_external


def validate(api: Api, trainer: Trainer, step: int, seconds: float, segment: int = 0) -> None:
    api.wait(seconds)
    validation = trainer.report_validation(step, 0.5, segment=segment)
    trainer.say(validations=[validation], progress={"step": step, "at": api.now.isoformat()})


def read_pace(api: Api, run: str) -> Any:
    (listed,) = api.get("/runs")["runs"]
    pace = api.get(f"/runs/{run}")["pace"]
    assert listed["pace"] == pace
    return pace


def test_a_run_has_a_pace_from_its_second_validation_on(api: Api) -> None:
    trainer = start_external(api)
    validate(api, trainer, 100, 500)
    assert read_pace(api, trainer.run) is None
    validate(api, trainer, 200, 50)
    validate(api, trainer, 400, 50)
    assert read_pace(api, trainer.run) == {"segment": 0, "seconds_per_step": 1 / 3, "steps_per_validation": 150.0}


def test_the_pace_begins_anew_with_a_segment(api: Api) -> None:
    trainer = start_external(api)
    validate(api, trainer, 100, 1)
    validate(api, trainer, 200, 1)
    trainer.open(1, parent=0, start_step=100)
    assert read_pace(api, trainer.run) is None
    validate(api, trainer, 200, 9_000, segment=1)
    validate(api, trainer, 300, 200, segment=1)
    assert read_pace(api, trainer.run) == {"segment": 1, "seconds_per_step": 2.0, "steps_per_validation": 100.0}


def test_a_run_that_has_ended_has_no_pace(api: Api) -> None:
    trainer = start_external(api)
    validate(api, trainer, 100, 1)
    validate(api, trainer, 200, 1)
    api.post(f"/leases/{trainer.run}/release", {"outcome": "finished"}, lease=trainer.lease)
    assert read_pace(api, trainer.run) is None
