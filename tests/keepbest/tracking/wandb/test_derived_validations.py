"""A script that only logs is told where it should have stopped; one that reports validations is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from keepbest.client.client import Client
from keepbest.contract.replays import ReplayRequest
from keepbest.status import RunState
from keepbest.tracking.init import init
from keepbest.tracking.run import Run
from tests.support.live import Live
from tests.support.tiny_tracker import TinyTracker, settings_of

LOSSES = [0.9, 0.5, *[0.6] * 14]


def begin(folder: Path, tracker: TinyTracker, **more: Any) -> Run:
    return init(settings=settings_of(folder, tracker.url), **more)


def judged(tracker: TinyTracker) -> list[tuple[int, float | None]]:
    return [(validation["step"], validation.get("value")) for validation in tracker.said("validations")]


def log(run: Run, key: str, values: Iterable[float]) -> None:
    for epoch, value in enumerate(values, start=1):
        run.log({"loss": 1 / epoch, key: value}, step=epoch)


def test_a_script_is_told_where_it_should_have_stopped(
    live: Live, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = settings_of(tmp_path, live.url, "online", live.admin)
    with init(settings=settings) as run:
        log(run, "val_loss", LOSSES)
        assert run.best is not None
    client: Client = live.client()
    known = client.run(run.id)
    assert (known.state, known.stop_reason, known.best_value, known.best_step) == (RunState.FINISHED, None, 0.5, 2)
    assert (known.spec.monitor, known.mode.value, known.spec.stopper.name, known.validations) == (
        "val_loss", "min", "shadow", len(LOSSES),
    )  # fmt: skip
    assert client.curve(run.id, "val_loss").total == len(LOSSES)
    words = "would have stopped this run at step 12; best val_loss: 0.5 at step 2."
    assert sum(words in record.getMessage() for record in caplog.records) == 1
    assert words in "".join(piece.text for piece in client.logs(run.id).pieces)
    replayed = client.replay(ReplayRequest(runs=[run.id], stoppers=["patience(3)"]))
    assert replayed.runs[0].own_stop == 12


@pytest.mark.parametrize(
    ("key", "values", "best"),
    [
        ("val_accuracy", [0.1, 0.4, 0.2], 0.4),
        ("val/loss", [0.5, 0.3, 0.4], 0.3),
        ("eval/accuracy", [0.5, 0.7], 0.7),
        ("validation.loss", [0.5, 0.4], 0.4),
        ("val_dice", [0.5, 0.7], None),
        ("accuracy", [0.5, 0.7], None),
    ],
)
def test_the_monitor_is_what_begins_with_val(
    tmp_path: Path, tracker: TinyTracker, key: str, values: list[float], best: float | None
) -> None:
    with begin(tmp_path, tracker) as run:
        log(run, key, values)
    assert judged(tracker) == ([] if best is None else list(enumerate(values, start=1)))
    assert (run.best and run.best.value) == best


def test_a_way_that_is_told_makes_a_monitor(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        run.define_metric("val*", summary="max")
        log(run, "val_dice", [0.5, 0.7, 0.6])
    assert (run.monitor, run.best and run.best.value) == ("val_dice", 0.7)


@pytest.mark.parametrize(
    "said", [{"monitor": "val_loss"}, {"mode": "min"}, {"stopper": "patience(3)"}, {"max_steps": 99}]
)
def test_a_script_that_speaks_of_stopping_is_left_alone(tmp_path: Path, tracker: TinyTracker, said: Any) -> None:
    with begin(tmp_path, tracker, **said) as run:
        log(run, "val_loss", LOSSES)
    assert judged(tracker) == []


def test_a_script_that_reports_decides_by_itself(tmp_path: Path, tracker: TinyTracker) -> None:
    """It logs its loss more often than it validates: then nothing of that is judged in the shadow."""
    with begin(tmp_path, tracker) as run:
        log(run, "val_accuracy", [0.1, 0.2, 0.3])
        for step in range(10, 100, 10):
            run.log({"val_accuracy": 0.9}, step=step)
            decision = run.report_validation(step, 0.5)
    assert (decision.best_step, run.stopper.mode, run.monitor) == (10, "min", "val_loss")
    assert run.stopper.spec["name"] == "any_of"
    assert [step for step, _ in judged(tracker)] == [1, 2, 3, *range(10, 100, 10)]


def test_a_run_that_goes_on_is_judged_on(live: Live, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, live.url, "online", live.admin)
    with init(key="a", settings=settings) as run:
        log(run, "val_loss", LOSSES[:4])
    with init(key="a", settings=settings) as run:
        for epoch, value in enumerate(LOSSES[4:], start=5):
            run.log({"val_loss": value}, step=epoch)
        assert run.decision is not None
    known = live.client().run(run.id)
    assert (known.best_value, known.best_step, known.validations, known.step) == (0.5, 2, len(LOSSES), len(LOSSES))
    rows = live.client().validations(run.id).validations
    stops = [row.step for row in rows if any(verdict.would_stop for verdict in row.decision.verdicts)]
    assert stops[0] == 12


def test_odd_steps_and_values_stop_nothing(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        for step, value in ((0, 0.5), (0, 0.4), (7, float("nan")), (3, 0.1), (8, None), (9, "text"), (10, 2**63)):
            run.log({"val_loss": value}, step=step)
    assert [step for step, _ in judged(tracker)][:2] == [0, 7]
    assert judged(tracker)[0] == (0, 0.4)
    assert run.best is not None
    assert run.best.value == 0.4
