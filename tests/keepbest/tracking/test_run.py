"""A run as scripts and trainers use it, against a small real tracker, offline, and heard by nobody."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.errors import Busy, InvalidInput
from keepbest.journal.left_over import drain_left_over
from keepbest.status import StopReason
from keepbest.stopping import Losses, Patience
from keepbest.tracking.init import init
from keepbest.tracking.offline import Sent, find_offline, send_offline
from keepbest.tracking.run import Run
from tests.support.processes import wait_until
from tests.support.tiny_tracker import NOW, TinyTracker, error, settings_of


def begin(folder: Path, tracker: TinyTracker, **arguments: Any) -> Run:
    given = {"monitor": "val_accuracy", "mode": "max", "stopper": "patience(checks=2)", **arguments}
    return init(settings=settings_of(folder, tracker.url), **given)


# A script's own run


def test_a_scripts_validation_says_which_examples_were_right(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker, stopper="paired_noise(1)") as run:
        run.report_validation(1, 0.5, n=10, correct=[i < 5 for i in range(10)])
        decision = run.report_validation(2, 0.6, n=10, correct=[i < 6 for i in range(10)])
    assert "1 newly right, 0 newly wrong" in decision.message
    assert decision.stop
    assert [validation["examples"] for validation in tracker.said("validations")] == [
        {"correct": {"n": 10, "bits": bits}} for bits in ("A+A=", "A/A=")
    ]


def test_a_scripts_validation_says_what_each_example_lost(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker, monitor="val_loss", mode="min", stopper="paired_noise(1)") as run:
        run.report_validation(1, 0.5, losses=np.full(10, 0.5))
        decision = run.report_validation(2, 0.4, losses=np.linspace(0.4, 0.54, 10))
    assert "(mean gain 0.03, its 5 % quantile 0.00" in decision.message
    assert not decision.stop
    said = [validation["examples"]["losses"]["float32"] for validation in tracker.said("validations")]
    assert said == [Losses.of(losses).to_json()["float32"] for losses in (np.full(10, 0.5), np.linspace(0.4, 0.54, 10))]


@pytest.mark.parametrize(("stopper", "told"), [("patience(9)", False), ("shadow(paired_noise(1))", True)])
def test_a_silent_validation_is_unpaired_where_the_stopper_asked(
    tmp_path: Path, tracker: TinyTracker, stopper: str, told: bool
) -> None:
    with begin(tmp_path, tracker, stopper=stopper) as run:
        run.report_validation(1, 0.5, n=10)
        run.report_validation(2, None)
        run.report_validation(3, 0.5, n=2, correct=[True, False])
    said = [validation.get("examples") for validation in tracker.said("validations")]
    nothing = {"unpaired": "the validation says nothing of its examples"} if told else None
    assert said == [nothing, None, {"correct": {"n": 2, "bits": "Ag=="}}]


def test_a_scripts_run_from_beginning_to_end(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker, project="digits", config={"rate": np.float32(0.5), "units": (1, 2)}) as run:
        for step in range(1, 10):
            run.log({"loss": 1 / step}, step=step)
            if run.report_validation(step, min(step, 3) / 10, n=100, metrics={"val_loss": 0.5}).stop:
                break
    spec = tracker.specs[run.id]
    assert (spec["project"], spec["parameters"]) == ("digits", {"rate": 0.5, "units": [1, 2]})
    assert spec["source"]["kind"] == "external"
    assert tracker.points("loss") == [(step, 1 / step) for step in range(1, 6)]
    assert tracker.points("val_accuracy") == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.3), (5, 0.3)]
    (release,) = tracker.releases
    assert (release["outcome"], release["stop_reason"]) == ("finished", "patience")
    assert release["stop_message"].startswith("Stop at step 5: no improvement for 2 checks")
    assert list((tmp_path / "journals").iterdir()) == []


def test_every_validation_is_a_row_of_the_ledger(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        run.report_validation(1, 0.5, n=100, epoch=0.5, metrics={"val_loss": 0.25})
        run.report_validation(2, math.nan)
    first, second = tracker.said("validations")
    assert (first["step"], first["value"], first["n"], first["epoch"]) == (1, 0.5, 100, 0.5)
    assert first["metrics"] == {"val_accuracy": 0.5, "val_loss": 0.25}
    assert first["decision"]["best_step"] == 1
    assert first["decision"]["verdicts"][0]["policy"] == "patience"
    assert second["value"] == "NaN"
    assert (second["decision"]["wait"], second["decision"]["patience_left"]) == (1, 1)


def test_the_first_segment_and_the_machine_are_told_at_once(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker):
        wait_until(lambda: tracker.said("segments"), what="the segment")
    (segment,) = tracker.said("segments")
    assert (segment["number"], segment["reason"], segment["start_step"]) == (0, "start", 0)
    ((first, _), *_) = next(iter(tracker.batches.values()))
    assert "pid" in first["progress"]["environment"]


def test_an_exception_fails_the_run_with_its_traceback(tmp_path: Path, tracker: TinyTracker) -> None:
    with pytest.raises(ZeroDivisionError), begin(tmp_path, tracker):
        print(1 / 0)
    (release,) = tracker.releases
    assert (release["outcome"], release["stop_reason"]) == ("failed", "error")
    assert release["error"]["message"] == "ZeroDivisionError: division by zero"
    assert "print(1 / 0)" in release["error"]["traceback"]


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (KeyboardInterrupt(), "cancelled"),
        (SystemExit(0), "finished"),
        (SystemExit(), "finished"),
        (SystemExit(3), "failed"),
    ],
)
def test_how_a_block_ends(tmp_path: Path, tracker: TinyTracker, raised: BaseException, outcome: str) -> None:
    with pytest.raises(type(raised)), begin(tmp_path, tracker):
        raise raised
    assert [release["outcome"] for release in tracker.releases] == [outcome]


def test_a_run_ends_once(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        assert run.finish(StopReason.USER, "enough")
    assert [(release["stop_reason"], release["stop_message"]) for release in tracker.releases] == [("user", "enough")]


def test_another_run_ends_what_its_thread_left_open(
    tmp_path: Path, tracker: TinyTracker, caplog: pytest.LogCaptureFixture
) -> None:
    silent, spoken = begin(tmp_path, tracker), begin(tmp_path, tracker)
    with ThreadPoolExecutor(1) as pool, begin(tmp_path, tracker) as held:
        elsewhere = pool.submit(begin, tmp_path, tracker).result()
        for run in (spoken, elsewhere, held):
            run.log({"loss": 0.5}, step=1)
        spoken.is_fitting = True
        within = call_within_fit(lambda: begin(tmp_path, tracker))
        assert tracker.releases == []
        again = begin(tmp_path, tracker)
        (release,) = tracker.releases
        assert (release["outcome"], release["stop_reason"]) == ("finished", "user")  # its fit was broken off
        assert f"run {spoken.id} was still open" in caplog.text
        for run in (silent, elsewhere, held, within, again):
            run.log({"loss": 0.25}, step=2)
            run.finish()
    assert len(tracker.releases) == 6
    assert len([told for told in caplog.records if "still open" in told.message]) == 1


def call_within_fit(call: Callable[[], Run]) -> Run:
    keras: dict[str, Any] = {"__name__": "keras.src.trainer"}
    exec("def fit(call): return call()", keras)  # noqa: S102
    run = keras["fit"](call)
    assert isinstance(run, Run)
    return run


def test_what_is_said_after_the_end_is_warned_about_once(
    tmp_path: Path, tracker: TinyTracker, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(tmp_path, tracker) as run:
        pass
    for step in range(3):
        run.log({"loss": 0.5}, step=step)
    assert caplog.text.count("has ended") == 1


def test_a_stop_from_the_dashboard_ends_the_loop(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        asked = {"run": run.id, "state": "requested", "requested_by": "ada", "requested_at": NOW}
        tracker.commands = [{"id": "000000000001", "kind": "roll_back", **asked}]
        tracker.commands.append({"id": "000000000002", "kind": "stop", **asked})
        wait_until(lambda: len(run.commands) == 2, what="the commands")
        decision = run.report_validation(1, 0.5)
    assert (decision.stop, decision.reason) == (True, StopReason.USER)
    assert [(told["id"], told["state"]) for told in tracker.said("commands")] == [
        ("000000000001", "refused"),
        ("000000000002", "done"),
    ]


def test_the_lease_is_renewed_until_the_end(
    tmp_path: Path, tracker: TinyTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tracker.lease, "lease_seconds", 0.06)
    with begin(tmp_path, tracker) as run:
        wait_until(lambda: tracker.renewals >= 2, what="two renewals")
        assert is_renewed(run)
    wait_until(lambda: not is_renewed(run), what="the end of the renewals")


def is_renewed(run: Run) -> bool:
    return any(thread.name == f"keepbest-lease-{run.id}" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"stopper": "pacience(3)"}, "stopper.name"),
        ({"stopper": {"name": "patience", "params": {"checks": 0}}}, "stopper.params.checks"),
        ({"mode": "up"}, "mode"),
        ({"max_steps": 0}, "max_steps"),
        ({"monitor": ""}, "monitor"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, tracker: TinyTracker, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        begin(tmp_path, tracker, **arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "stopper", ["3checks", {"name": "patience", "params": {"checks": 3}}, Patience(mode="max", checks=3)]
)
def test_a_stopper_in_any_form(tmp_path: Path, tracker: TinyTracker, stopper: Any) -> None:
    with begin(tmp_path, tracker, mode="max", stopper=stopper) as run:
        assert run.report_validation(1, 0.5).patience_left == 3


def test_an_unknown_mode_is_asked_for_at_the_first_validation(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker, monitor="score", mode="auto") as run:
        with pytest.raises(
            InvalidInput, match=r"The name 'score' does not tell which way .*\nBegin the run with .* mode='max'"
        ):
            run.report_validation(1, 0.5)
        run.set_mode("min")
        assert run.report_validation(1, 0.5).improved
        with pytest.raises(InvalidInput, match="'min', not 'max'"):
            run.set_mode("max")


def test_names_of_keras_metrics_say_which_way_is_better(tmp_path: Path, tracker: TinyTracker) -> None:
    for monitor, values in [(None, (0.5, 0.25)), ("val_acc", (0.25, 0.5))]:
        with begin(tmp_path, tracker, monitor=monitor, mode="auto") as run:
            assert [run.report_validation(step, value).best_step for step, value in enumerate(values)] == [0, 1]
    assert [next(iter(said))[0]["progress"]["mode"] for said in tracker.batches.values()] == ["min", "max"]


# What may be logged


def test_numbers_of_all_kinds_are_logged(tmp_path: Path, tracker: TinyTracker) -> None:
    third: Any = np.int64(3)
    with begin(tmp_path, tracker) as run:
        run.log(
            {"a": 1, "b": True, "c": np.float32(0.5), "d": np.array(2), "e": math.nan, "f": np.array([4.0])}, step=third
        )
        run.log({"a": 2})
    assert tracker.points("a") == [(3, 1.0), (4, 2.0)]
    assert [tracker.points(key)[0][1] for key in "bcdf"] == [1.0, 0.5, 2.0, 4.0]
    assert math.isnan(tracker.points("e")[0][1])


def test_a_validation_is_one_number(tmp_path: Path, tracker: TinyTracker) -> None:
    several: Any = np.array([0.5, 0.75])
    with begin(tmp_path, tracker, mode="max") as run:
        assert run.report_validation(1, several[:1]).best_value == 0.5
        with pytest.raises(InvalidInput, match=r"array of shape \(2,\)"):
            run.report_validation(2, several)


@pytest.mark.parametrize(
    "metrics",
    [{"b": object()}, {"b": [object()]}, {"": 1}, {"x" * 201: 1}, {"a\nb": 1}, {"\ud800": 1}, {3: 1}, {"b": 10**400}],
)
def test_what_cannot_be_logged_is_left_out_with_one_warning(
    tmp_path: Path, tracker: TinyTracker, metrics: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(tmp_path, tracker) as run:
        run.log({**metrics, "good": 1.0}, step=1)
        run.log({**metrics, "good": 2.0}, step=2)
    assert tracker.points("good") == [(1, 1.0), (2, 2.0)]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("step", [-1, 1.5, "3", 2**53 + 1])
def test_a_step_is_a_whole_number(tmp_path: Path, tracker: TinyTracker, step: Any) -> None:
    with begin(tmp_path, tracker, mode="max") as run, pytest.raises(InvalidInput, match="step"):
        run.log({"a": 1.0}, step=step)


def test_a_missing_value_is_no_point_and_ends_no_metric(tmp_path: Path, tracker: TinyTracker) -> None:
    with begin(tmp_path, tracker) as run:
        run.log({"a": None}, step=1)
        run.log({"a": 0.5}, step=2)
        run.log({"a": None}, step=3)
    assert tracker.points("a") == [(2, 0.5)]


# Without a tracker


def test_disabled_judges_and_tells_nobody(tmp_path: Path, tracker: TinyTracker) -> None:
    with quiet(tmp_path, tracker, "disabled") as run:
        run.log({"a": 1.0}, step=1)
        assert [run.report_validation(step, 0.5).stop for step in (1, 2, 3)] == [False, False, True]
    assert tracker.requests == []
    assert list(tmp_path.iterdir()) == []


def quiet(folder: Path, tracker: TinyTracker, how: str) -> Run:
    stopper = "patience(checks=2)"
    return init(settings=settings_of(folder, tracker.url, how), monitor="val_accuracy", mode="max", stopper=stopper)


def test_an_offline_run_is_sent_later_and_leaves_nothing(tmp_path: Path, tracker: TinyTracker) -> None:
    with quiet(tmp_path, tracker, "offline") as run:
        run.log({"loss": 0.5}, step=1)
        run.report_validation(1, 0.5)
    assert tracker.requests == []
    (folder,) = find_offline(tmp_path / "offline")
    send_offline(folder, tracker.client())
    assert tracker.points("loss") == [(1, 0.5)]
    assert [release["outcome"] for release in tracker.releases] == ["finished"]
    assert find_offline(tmp_path / "offline") == []


def test_sending_an_offline_run_may_fail_and_be_done_again(tmp_path: Path, tracker: TinyTracker) -> None:
    with quiet(tmp_path, tracker, "offline") as run:
        run.log({"loss": 0.5}, step=1)
    (folder,) = find_offline(tmp_path / "offline")
    tracker.error = error("busy")
    with pytest.raises(Busy):
        send_offline(folder, tracker.client())
    tracker.error = None
    send_offline(folder, tracker.client())
    assert len(tracker.specs) == 1
    assert tracker.points("loss") == [(1, 0.5)]


def test_a_living_offline_run_is_sent_as_far_as_it_is_written(tmp_path: Path, tracker: TinyTracker) -> None:
    with quiet(tmp_path, tracker, "offline") as run:
        run.log({"loss": 0.5}, step=1)
        assert run.recorder.uploader is not None
        run.recorder.uploader.drain(5)
        (folder,) = find_offline(tmp_path / "offline")
        for _ in range(2):
            assert send_offline(folder, tracker.client()) == Sent(run.id, is_over=False)
            assert tracker.points("loss") == [(1, 0.5)]
            assert not tracker.releases
        run.log({"loss": 0.25}, step=2)
    assert send_offline(folder, tracker.client()) == Sent(run.id, is_over=True)
    assert tracker.points("loss") == [(1, 0.5), (2, 0.25)]
    assert [release["outcome"] for release in tracker.releases] == ["finished"]
    assert send_offline(folder, tracker.client()) is None


def test_no_tracker_at_the_start_means_offline_with_a_warning(
    tmp_path: Path, tracker: TinyTracker, caplog: pytest.LogCaptureFixture
) -> None:
    tracker.down()
    with begin(tmp_path, tracker) as run:
        run.log({"loss": 0.5}, step=1)
    assert "kept offline" in caplog.text
    tracker.up()
    (folder,) = find_offline(tmp_path / "offline")
    send_offline(folder, tracker.client())
    assert tracker.points("loss") == [(1, 0.5)]


def test_no_tracker_at_the_end_keeps_the_rest(
    tmp_path: Path, tracker: TinyTracker, caplog: pytest.LogCaptureFixture
) -> None:
    run = begin(tmp_path, tracker)
    wait_until(lambda: tracker.said("segments"), what="the first batch")
    tracker.down()
    run.log({"loss": 0.5}, step=1)
    assert not run.finish(seconds=0.2)
    assert "is kept in" in caplog.text
    tracker.up()
    assert drain_left_over(tmp_path / "journals", tracker.client()).sent == 1
    assert tracker.points("loss") == [(1, 0.5)]


def test_the_next_script_sends_what_a_dead_one_left(tmp_path: Path, tracker: TinyTracker) -> None:
    run = begin(tmp_path, tracker)
    wait_until(lambda: tracker.said("segments"), what="the first batch")
    tracker.down()
    run.log({"loss": 0.5}, step=1)
    run.finish(seconds=0.1)
    tracker.up()
    with begin(tmp_path, tracker):
        wait_until(lambda: tracker.points("loss"), what="what was left over")
    assert tracker.points("loss") == [(1, 0.5)]


def test_the_public_names_are_these() -> None:
    assert keepbest.init is init
    assert keepbest.Run is Run
