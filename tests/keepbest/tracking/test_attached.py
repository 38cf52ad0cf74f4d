"""A run as a worker's trainer uses it: resumed, rolled back, commanded, its lease held by somebody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Origin, Overrides
from keepbest.errors import PolicyError
from keepbest.status import StopReason
from keepbest.stopping import Validation
from keepbest.tracking.attach import attach as attach_run
from keepbest.tracking.run import Run
from tests.support.tiny_tracker import NOW, TinyTracker, assignment


def attach(folder: Path, tracker: TinyTracker, **given: Any) -> Run:
    return attach_run(assignment(**given), tracker.client(), folder)


def test_a_resumed_run_opens_the_next_segment_where_it_goes_on(tmp_path: Path, tracker: TinyTracker) -> None:
    resume = checkpoint(step=300)
    run = attach(tmp_path, tracker, next_segment=4, parent_segment=3, resume=resume, attempt=2)
    run.log({"loss": 0.5})
    run.finish()
    (segment,) = tracker.said("segments")
    told = (segment["number"], segment["parent"], segment["reason"], segment["start_step"], segment["checkpoint"])
    assert told == (4, 3, "resume", 300, resume.id)
    assert tracker.points("loss") == [(301, 0.5)]


def test_an_attempt_that_begins_with_changes_says_so(tmp_path: Path, tracker: TinyTracker) -> None:
    changes = Overrides(learning_rate="0.1x", max_steps=700)
    given = assignment(next_segment=4, parent_segment=3, resume=checkpoint(step=300), max_steps=400, overrides=changes)
    given = given.model_copy(update={"run": given.run.model_copy(update={"max_steps": 700})})
    run = attach_run(given, tracker.client(), tmp_path)
    assert (run.deadline(), run.opening.overrides) == (700, changes)
    run.finish()
    (segment,) = tracker.said("segments")
    assert Overrides.model_validate(segment["overrides"]) == changes


def test_a_fork_s_first_segment_grows_from_nothing(tmp_path: Path, tracker: TinyTracker) -> None:
    given = assignment(resume=checkpoint(step=300))
    origin = Origin(run="0000000000ff", checkpoint="0000000000cd", step=300)
    spec = given.run.spec.model_copy(update={"forked_from": origin})
    run = attach_run(
        given.model_copy(update={"run": given.run.model_copy(update={"spec": spec})}), tracker.client(), tmp_path
    )
    run.finish()
    (segment,) = tracker.said("segments")
    told = (segment["number"], segment.get("parent"), segment["reason"], segment["start_step"], segment["checkpoint"])
    assert told == (0, None, "fork", 300, "0000000000cc")


def test_the_stopper_goes_on_where_the_checkpoint_was(tmp_path: Path, tracker: TinyTracker) -> None:
    first = attach(tmp_path / "a", tracker)
    first.report_validation(1, 0.5)
    first.report_validation(2, 0.4)
    kept = json.loads(json.dumps(first.stopper.state()))
    first.finish()
    second = attach(tmp_path / "b", tracker, next_segment=1, parent_segment=0, resume=checkpoint(step=2))
    second.stopper.go_on_from(kept)
    decision = second.report_validation(3, 0.4)
    second.finish()
    assert (decision.stop, decision.best_step, decision.wait) == (True, 1, 2)


def test_the_training_time_goes_on_too(tmp_path: Path, tracker: TinyTracker) -> None:
    run = attach(tmp_path, tracker, stopper="max_seconds(100)")
    assert not run.report_validation(1, 0.5).stop
    run.stopper.go_on_from({**run.stopper.state(), "seconds": 100.0})
    decision = run.report_validation(2, 0.5)
    run.finish()
    assert decision.reason is StopReason.MAX_SECONDS


def test_another_policys_state_is_refused(tmp_path: Path, tracker: TinyTracker) -> None:
    run = attach(tmp_path, tracker)
    with pytest.raises(PolicyError):
        run.stopper.go_on_from({"policy": {"policy": "max_steps@1"}, "seconds": 0.0})
    run.finish()


def test_a_roll_back_branches_and_takes_the_stopper_along(tmp_path: Path, tracker: TinyTracker) -> None:
    run = attach(tmp_path, tracker)
    run.report_validation(1, 0.5)
    kept = run.stopper.state()
    run.report_validation(2, 0.4)
    assert run.branch(1, parent=0, state=kept) == 1
    assert not run.report_validation(2, 0.45).stop  # another value at step 2: another branch, not a contradiction
    run.finish()
    assert [
        (validation["segment"], validation["step"], validation["value"]) for validation in tracker.said("validations")
    ] == [
        (0, 1, 0.5),
        (0, 2, 0.4),
        (1, 2, 0.45),
    ]
    assert [(s["number"], s["reason"], s["start_step"]) for s in tracker.said("segments")] == [
        (0, "start", 0),
        (1, "roll_back", 1),
    ]


def test_the_deadline_counts_max_steps_in(tmp_path: Path, tracker: TinyTracker) -> None:
    run = attach(tmp_path, tracker, stopper="1000steps", max_steps=900)
    assert run.deadline() == 900
    decision = run.judge(Validation(900))
    run.finish()
    assert (decision.stop, decision.reason) == (True, StopReason.MAX_STEPS)
    assert not tracker.releases  # the lease is the agent's


def test_checkpoints_and_answers_are_told(tmp_path: Path, tracker: TinyTracker) -> None:
    run = attach(tmp_path, tracker)
    size: dict[str, Any] = {"size_bytes": 10, "written_bytes": 5, "location": "/store", "digest": "0" * 64}
    run.recorder.checkpoint_durable("000000000001", step=3, kind="best", value=0.5, **size)
    run.recorder.checkpoint_dropped("000000000002", "a newer one came")
    run.recorder.report(resume="exact")
    run.finish()
    (durable,), (dropped,) = tracker.said("checkpoints"), tracker.said("dropped")
    assert (durable["id"], durable["segment"], durable["step"], durable["value"]) == ("000000000001", 0, 3, 0.5)
    assert dropped["reason"] == "a newer one came"


def checkpoint(step: int) -> Checkpoint:
    about = {"id": "0000000000cc", "run": "0000000000aa", "segment": 3, "step": step, "kind": "best"}
    size = {"digest": "0" * 64, "size_bytes": 1, "written_bytes": 1, "location": "/store"}
    return Checkpoint.model_validate({**about, **size, "state": "durable", "at": NOW})
