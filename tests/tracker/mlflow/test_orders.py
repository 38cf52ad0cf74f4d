"""A script that asks is told to stop, and why; one that obeys ends with that reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.mlflow import Mlflow, as_dict
from tracker import db
from tracker.store import rule_enforcement

STOP, STOPPED = "keepbest.stop", "keepbest.stopped"


def told(mlflow: Mlflow, run: str) -> str | None:
    """Return what a script is told that asks."""
    return as_dict(mlflow.run(run)["data"]["tags"]).get(STOP)


def validate(mlflow: Mlflow, run: str, *values: float, first: int = 0) -> None:
    for step, value in enumerate(values, first):
        mlflow.log(run, "val_loss", value, step=step, at=5_000 + step)


def obey(mlflow: Mlflow, run: str) -> Any:
    """Let the script stop as it is told; return the run as it ended."""
    mlflow.post("/runs/set-tag", run_id=run, key=STOPPED, value=told(mlflow, run))
    mlflow.post("/runs/update", run_id=run, status="FINISHED")
    return mlflow.api.get(f"/runs/{run}")


def begin(mlflow: Mlflow, stopper: str = "patience(2)") -> str:
    return mlflow.begin(tags=[{"key": "keepbest.stopper", "value": stopper}])


def test_the_stopper_in_the_shadow_tells_a_run_to_stop(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    for number, value in enumerate((0.9, 0.8, 0.85)):
        validate(mlflow, run, value, first=number)
        assert told(mlflow, run) is None
    validate(mlflow, run, 0.86, 0.7, first=3)
    said = told(mlflow, run)
    assert said is not None
    assert said.startswith("patience: would stop here")  # also after the value that came better since
    ended = obey(mlflow, run)
    assert (ended["state"], ended["stop_reason"], ended["stop_message"]) == ("finished", *said.split(": ", 1))
    assert told(mlflow, run) is None


def test_a_run_that_was_not_told_ends_without_a_reason(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    validate(mlflow, run, 0.9, 0.95, 0.96)
    mlflow.post("/runs/update", run_id=run, status="FINISHED")
    assert mlflow.api.get(f"/runs/{run}")["stop_reason"] is None


def test_a_rule_of_the_project_tells_its_runs_to_stop(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    mlflow.api.call("PUT", "/rules/Default", {"max_steps": 3})
    validate(mlflow, run, 0.9, 0.8, 0.7, 0.6)
    with db.write(mlflow.api.engine) as conn:
        breaches, _ = rule_enforcement.find_due(conn, mlflow.api.now)
        for breach in breaches:
            rule_enforcement.stop(conn, breach, mlflow.api.now)
    assert told(mlflow, run) == "max_steps: Step 3 of at most 3 (rule of project Default)"
    ended = obey(mlflow, run)
    assert (ended["stop_reason"], ended["stop_message"]) == (
        "max_steps",
        "Step 3 of at most 3 (rule of project Default)",
    )
    (command,) = mlflow.api.get(f"/runs/{run}/commands")["commands"]
    assert (command["kind"], command["state"]) == ("stop", "done")


def test_a_person_tells_a_run_to_stop(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    mlflow.api.post(f"/runs/{run}/commands", {"kind": "stop"})
    assert told(mlflow, run) == "user: a member stopped the run"
    assert obey(mlflow, run)["stop_reason"] == "user"


def test_a_cancelled_run_is_told_so(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    mlflow.api.post(f"/runs/{run}/cancel")
    assert told(mlflow, run) == "user: the run was cancelled"


def test_a_run_that_goes_on_begins_to_wait_anew(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    validate(mlflow, run, 0.5, 0.6, 0.7)
    obey(mlflow, run)
    mlflow.post("/runs/update", run_id=run, status="RUNNING")
    assert told(mlflow, run) is None
    assert STOPPED not in as_dict(mlflow.run(run)["data"]["tags"])
    validate(mlflow, run, 0.8, first=3)
    assert told(mlflow, run) is None
    validate(mlflow, run, 0.9, first=4)
    assert told(mlflow, run) is not None
    mlflow.post("/runs/update", run_id=run, status="FINISHED")
    assert mlflow.api.get(f"/runs/{run}")["stop_reason"] is None  # it was told, and did not obey


@pytest.mark.parametrize("said", ["error: mine", "worker_lost: mine", "nonsense", "", "PATIENCE: mine"])
def test_a_reason_that_is_none_ends_no_run(mlflow: Mlflow, said: str) -> None:
    run = begin(mlflow)
    mlflow.post("/runs/set-tag", run_id=run, key=STOPPED, value=said)
    mlflow.post("/runs/update", run_id=run, status="FINISHED")
    ended = mlflow.api.get(f"/runs/{run}")
    assert (ended["state"], ended["stop_reason"], ended["stop_message"]) == ("finished", None, None)


def test_a_scripts_own_tag_is_no_order(mlflow: Mlflow) -> None:
    run = begin(mlflow)
    mlflow.post("/runs/set-tag", run_id=run, key=STOP, value="patience: mine")
    assert told(mlflow, run) is None
