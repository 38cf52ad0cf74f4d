"""What a script reports of its monitor is judged by a stopper in the shadow, and the run is a run like any other."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.contract.base import MAX_WHOLE
from tests.support.mlflow import Mlflow
from tracker.mlflow.fields import MAX_MILLISECONDS

KERAS = {
    "monitor": "val_accuracy", "min_delta": "0.01", "patience": "2", "baseline": "None",
    "restore_best_weights": "False",
}  # fmt: skip


def as_pairs(given: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in given.items()]


def log(mlflow: Mlflow, run: str, step: int, at: int = 5_000, **values: Any) -> None:
    metrics = [{"key": key, "value": value, "step": step, "timestamp": at} for key, value in values.items()]
    mlflow.post("/runs/log-batch", run_id=run, metrics=metrics)


def validations(mlflow: Mlflow, run: str) -> list[Any]:
    return list(mlflow.api.get(f"/runs/{run}/validations")["validations"])


def stops(mlflow: Mlflow, run: str) -> list[int]:
    """Return the steps at which the stopper in the shadow would have stopped."""
    shown = validations(mlflow, run)
    return [each["step"] for each in shown if any(verdict["would_stop"] for verdict in each["decision"]["verdicts"])]


def test_the_loss_of_the_validation_set_is_judged(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for step, value in enumerate([0.9, 0.7, 0.8]):
        log(mlflow, run, step, loss=value / 2, val_accuracy=1 - value, val_loss=value, validation_loss=value)
    shown = mlflow.api.get(f"/runs/{run}")
    assert (shown["spec"]["monitor"], shown["mode"], shown["validations"]) == ("val_loss", "min", 3)
    assert (shown["best_value"], shown["best_step"], shown["last_value"]) == (0.7, 1, 0.8)
    first = validations(mlflow, run)[0]
    assert first["metrics"] == {"loss": 0.45, "val_accuracy": pytest.approx(0.1), "validation_loss": 0.9}
    assert (first["decision"]["stop"], first["decision"]["improved"]) == (False, True)


def test_keras_early_stopping_says_monitor_and_patience(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.post("/runs/log-batch", run_id=run, params=as_pairs(KERAS))
    for step, value in enumerate([0.5, 0.6, 0.605, 0.604, 0.7]):
        log(mlflow, run, step, val_loss=1.0, val_accuracy=value)
    shown = mlflow.api.get(f"/runs/{run}")
    assert (shown["spec"]["monitor"], shown["mode"], shown["best_step"]) == ("val_accuracy", "max", 4)
    (policy,) = shown["spec"]["stopper"]["policies"]
    assert (policy["name"], policy["params"]["checks"], policy["params"]["min_delta"]) == ("patience", 2, 0.01)
    assert stops(mlflow, run) == [3]


def test_tags_say_monitor_direction_and_stopper(mlflow: Mlflow) -> None:
    tags = {"keepbest.monitor": "dice", "keepbest.mode": "max", "keepbest.stopper": "patience(1)"}
    run = mlflow.begin(tags=as_pairs(tags))
    for step, value in enumerate([0.5, 0.4]):
        log(mlflow, run, step, val_loss=1.0, dice=value)
    assert mlflow.api.get(f"/runs/{run}")["spec"]["monitor"] == "dice"
    assert stops(mlflow, run) == [1]


@pytest.mark.parametrize("stopper", ["nonsense(", "patience(-1)", "noise_aware(1)", "successive_halving()"])
def test_a_stopper_that_is_none_hinders_no_script(mlflow: Mlflow, stopper: str) -> None:
    run = mlflow.begin(tags=as_pairs({"keepbest.stopper": stopper}))
    log(mlflow, run, 0, val_loss=1.0)
    assert mlflow.api.get(f"/runs/{run}")["validations"] == 1


def test_a_projects_stopper_judges_its_runs(mlflow: Mlflow) -> None:
    id = mlflow.post("/experiments/create", name="mine")["experiment_id"]
    mlflow.api.call("PUT", "/rules/mine", {"stopper": "patience(1)"})
    run = mlflow.begin(id)
    for step in range(3):
        log(mlflow, run, step, val_loss=1.0)
    assert stops(mlflow, run) == [1]


def test_without_a_direction_values_are_points_alone(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    log(mlflow, run, 0, val_dice=0.5, loss=1.0)
    assert validations(mlflow, run) == []
    assert mlflow.history(run, "val_dice") == [(0.5, 0, 5_000)]


def test_steps_that_do_not_go_on_are_counted(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for at, value in enumerate([0.9, 0.8, 0.85]):
        mlflow.log(run, "val_loss", value, at=at)
    for at, (step, value) in enumerate([(7, 0.7), (5, 0.6), (9, 0.5)]):
        mlflow.log(run, "val_loss", value, step=step, at=100 + at)
    assert [each["step"] for each in validations(mlflow, run)] == [0, 1, 2, 7, 8, 9]
    assert mlflow.api.get(f"/runs/{run}")["best_step"] == 9
    assert [step for _, step, _ in mlflow.history(run, "val_loss")] == [0, 0, 0, 7, 5, 9]


def test_a_value_that_is_sent_again_is_judged_once(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for _ in range(2):
        log(mlflow, run, 3, val_loss=0.5)
    assert len(validations(mlflow, run)) == 1
    assert len(mlflow.history(run, "val_loss")) == 1


def test_a_batch_that_is_sent_again_is_judged_once(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    two = [{"key": "val_loss", "value": value, "step": 0, "timestamp": at} for at, value in ((5, 0.9), (6, 0.8))]
    more = {"key": "val_loss", "value": 0.7, "step": 0, "timestamp": 7}
    for batch in (two, two, [*two, more], [*two, more]):
        mlflow.post("/runs/log-batch", run_id=run, metrics=batch)
    assert [(each["step"], each["value"]) for each in validations(mlflow, run)] == [(0, 0.9), (1, 0.8), (2, 0.7)]
    assert mlflow.api.get(f"/runs/{run}")["validations"] == 3


def test_a_batch_sent_again_after_a_resume_opens_no_segment(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    log(mlflow, run, 3, val_loss=0.9)
    for status in ("FAILED", "RUNNING"):
        mlflow.post("/runs/update", run_id=run, status=status)
    log(mlflow, run, 3, val_loss=0.9)
    assert len(mlflow.api.get(f"/runs/{run}/segments")["segments"]) == 1
    log(mlflow, run, 2, at=6_000, val_loss=0.8)
    assert len(mlflow.api.get(f"/runs/{run}/segments")["segments"]) == 2


def test_a_validation_has_room_for_one_behind_it(mlflow: Mlflow) -> None:
    run, most = mlflow.begin(), MAX_WHOLE // 2
    for at in range(3):
        mlflow.log(run, "val_loss", 0.5, step=most, at=at)
    assert [each["step"] for each in validations(mlflow, run)] == [most, most + 1, most + 2]
    beyond = {"run_id": run, "key": "val_loss", "value": 0.5, "step": most + 1, "timestamp": 9}
    assert f"from 0 to {most}" in mlflow.fail("POST", "/runs/log-metric", beyond)[2]


def test_a_validation_may_be_of_the_last_year_that_is_kept(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    mlflow.log(run, "val_loss", 0.5, at=MAX_MILLISECONDS)
    assert [each["at"][:10] for each in validations(mlflow, run)] == ["2998-12-31"]
    mlflow.post("/runs/update", run_id=run, status="FINISHED", end_time=MAX_MILLISECONDS)
    assert mlflow.run(run)["info"]["end_time"] == MAX_MILLISECONDS
    assert mlflow.history(run, "val_loss") == [(0.5, 0, MAX_MILLISECONDS)]


def test_a_value_that_is_no_number_is_never_the_best(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for step, value in enumerate(["NaN", 0.5, "Infinity", "-Infinity"]):
        log(mlflow, run, step, val_loss=value)
    assert len(validations(mlflow, run)) == 4
    assert mlflow.api.get(f"/runs/{run}")["best_value"] == 0.5
    assert stops(mlflow, run) == [0]


def test_a_run_that_goes_on_earlier_opens_a_segment(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    for step, value in enumerate([0.9, 0.8, 0.7]):
        log(mlflow, run, step, val_loss=value)
    mlflow.post("/runs/update", run_id=run, status="FAILED")
    mlflow.post("/runs/update", run_id=run, status="RUNNING")
    log(mlflow, run, 9, loss=1.0)
    for step, value in ((1, 0.75), (2, 0.6)):
        log(mlflow, run, step, val_loss=value)
    segments = mlflow.api.get(f"/runs/{run}/segments")["segments"]
    assert [(each["number"], each["parent"], each["start_step"]) for each in segments] == [(0, None, 0), (1, 0, 0)]
    shown = [(each["segment"], each["step"], each["ghost"]) for each in validations(mlflow, run)]
    assert shown == [(0, 0, False), (0, 1, True), (0, 2, True), (1, 1, False), (1, 2, False)]
    assert mlflow.api.get(f"/runs/{run}")["best_value"] == 0.6


#: Steps reported before, after one resume and after another; number, parent and start of each segment; what lives.
RESUMED: list[tuple[tuple[range, range], list[Any], list[tuple[int, range]]]] = [
    ((range(5, 9), range(2, 4)), [(0, None, 0), (1, 0, 4), (2, 0, 1)], [(0, range(2)), (2, range(2, 4))]),
    (
        (range(5, 9), range(7, 9)),
        [(0, None, 0), (1, 0, 4), (2, 1, 6)],
        [(0, range(5)), (1, range(5, 7)), (2, range(7, 9))],
    ),
    ((range(5, 9), range(2)), [(0, None, 0), (1, 0, 4), (2, None, 0)], [(2, range(2))]),
]


@pytest.mark.parametrize(("stretches", "opened", "living"), RESUMED)
def test_a_second_resume_leaves_what_it_reports_anew(
    mlflow: Mlflow, stretches: tuple[range, range], opened: list[Any], living: list[tuple[int, range]]
) -> None:
    run = mlflow.begin()
    for attempt, steps in enumerate((range(8), *stretches)):
        if attempt:
            for status in ("FAILED", "RUNNING"):
                mlflow.post("/runs/update", run_id=run, status=status)
        for step in steps:
            log(mlflow, run, step, at=10_000 * attempt + step, val_loss=0.5)
    segments = mlflow.api.get(f"/runs/{run}/segments")["segments"]
    assert [(each["number"], each["parent"], each["start_step"]) for each in segments] == opened
    shown = [(each["segment"], each["step"]) for each in validations(mlflow, run) if not each["ghost"]]
    assert shown == [(segment, step) for segment, steps in living for step in steps]


def test_a_run_that_goes_on_later_stays_in_its_segment(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    log(mlflow, run, 0, val_loss=0.9)
    for status in ("FINISHED", "RUNNING"):
        mlflow.post("/runs/update", run_id=run, status=status)
    for step in (1, 1, 0):
        log(mlflow, run, step, at=6_000 + step, val_loss=0.5)
    assert len(mlflow.api.get(f"/runs/{run}/segments")["segments"]) == 1
    assert [each["step"] for each in validations(mlflow, run)] == [0, 1, 2]


def test_such_a_run_is_in_lists_comparisons_and_replays(mlflow: Mlflow) -> None:
    runs = [mlflow.begin(run_name=name) for name in ("one", "two")]
    for number, run in enumerate(runs):
        for step in range(6):
            log(mlflow, run, step, val_loss=1 / (step + 1) + number)
        mlflow.post("/runs/update", run_id=run, status="FINISHED")
    listed = mlflow.api.get("/runs?project=Default&sort=best&order=asc")["runs"]
    assert [each["id"] for each in listed] == runs
    replayed = mlflow.api.post("/replays", {"runs": runs, "stoppers": ["patience(1)"]})
    assert [each["id"] for each in replayed["runs"]] == runs
    curves = mlflow.api.post("/curves", {"runs": runs, "keys": ["val_loss"]})["curves"]
    assert [len(curve["steps"]) for curve in curves] == [6, 6]
    compared = mlflow.api.post("/comparisons", {"runs": runs})
    assert compared["runs"]
