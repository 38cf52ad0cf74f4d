"""Commands to a living run, obeyed at a batch: stop, checkpoint now, roll back from memory or disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDropped, CommandUpdate, ReportedValidation, SegmentOpened
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import NotFound
from keepbest.status import CommandKind
from tests.support.callbacks import STEPS, Script, answers, command, heard_run, keep_best, sender


@pytest.fixture
def script() -> Script:
    return Script()


def test_stop(script: Script) -> None:
    run, uploader, commands = heard_run()
    sent = command(CommandKind.STOP)
    callback = keep_best(run=run, restore_best_weights=True)
    assert script.fit(callback, [1, 2, 2], send=sender(commands, {8: sent})) == 8
    assert answers(uploader, sent) == ["acknowledged", "done"]
    assert (callback.stop_reason, script.iteration.numpy()) == ("user", STEPS)


def test_a_stop_by_a_rule_of_the_project_says_its_reason(script: Script) -> None:
    run, _, commands = heard_run()
    rule = command(CommandKind.STOP, reason="peers", message="0.5 is below the median 0.7 of 5 runs")
    callback = keep_best(run=run)
    script.fit(callback, [1, 2, 2], send=sender(commands, {8: rule}))
    assert callback.stop_reason == "peers"
    assert run.decision is not None
    assert run.decision.message == "Stop at step 8: 0.5 is below the median 0.7 of 5 runs."


def test_checkpoint_now(script: Script, tmp_path: Path) -> None:
    run, uploader, commands = heard_run()
    sent = command(CommandKind.CHECKPOINT)
    script.fit(keep_best(tmp_path, run=run), [1, 2], send=sender(commands, {8: sent}))
    assert answers(uploader, sent) == ["acknowledged", "done"]
    (manual,) = [manifest for manifest in Store(tmp_path).manifests(run.id) if manifest.kind == "manual"]
    assert (manual.step, manual.position.batch) == (8, 3)


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize(("asked", "step"), [({"to": "best"}, 10), ({"step": 5}, 5)])
def test_roll_back(script: Script, tmp_path: Path, where: str, asked: dict[str, Any], step: int) -> None:
    run, uploader, commands = heard_run()
    sent = command(CommandKind.ROLL_BACK, **asked)
    callback = keep_best(tmp_path, run=run, retention=RetentionSpec(best=3))

    def send(at: int) -> None:
        assert callback.keeper.drain(20)  # a best that the next one outruns is never on disk
        if at == 18:
            if where == "disk":
                callback.keeper.buffer.forget()
            commands.append(sent)

    script.fit(callback, [3, 1, 2, 2, 2], send=send)
    assert answers(uploader, sent) == ["acknowledged", "done"]
    assert script.iteration.numpy() == step + 2 + STEPS
    assert callback.position.step == step + 2 + STEPS
    assert callback.best == 1  # also where it lies on the tail that was left
    (segment,) = uploader.of(SegmentOpened)
    assert (segment.reason, segment.start_step, segment.parent) == ("roll_back", step, 0)
    done = uploader.of(CommandUpdate)[-1].result
    assert (done["step"], done["segment"], done["source"]) == (step, segment.number, where)
    assert {validation.segment for validation in uploader.of(ReportedValidation) if validation.step > 15} <= {
        segment.number
    }


def test_roll_back_to_what_nobody_kept(script: Script) -> None:
    run, uploader, commands = heard_run()
    sent = command(CommandKind.ROLL_BACK, step=7)
    script.fit(keep_best(run=run), [3, 1, 2], send=sender(commands, {12: sent}))
    assert answers(uploader, sent) == ["acknowledged", "refused"]
    (refusal,) = [update for update in uploader.of(CommandUpdate) if update.state == "refused"]
    assert refusal.message == "No state of step 7 is kept; there is step 5, 10."
    assert script.iteration.numpy() == 3 * STEPS


def test_roll_back_with_patience_anew(script: Script) -> None:
    run, _, commands = heard_run(checks=3)
    sent = command(CommandKind.ROLL_BACK, to="best", reset_patience=True)
    callback = keep_best(run=run)
    assert script.fit(callback, [1, 2, 2, 2, 2, 2], send=sender(commands, {14: sent})) == 5 * STEPS
    assert callback.stop_reason == "patience"


# Roll back, changed

CHANGES = [
    ({"learning_rate": "0.1x"}, 1e-4, 21, "learning rate 0.001 -> 0.0001"),
    ({"learning_rate": "3e-5", "max_steps": 12}, 3e-5, 12, "learning rate 0.001 -> 3e-5, on to step 12"),
    ({"max_steps": 14, "reset_patience": True}, 1e-3, 14, "on to step 14, patience anew"),
]


def rate_on_disk(script: Script, store: Store, run: str, checkpoint: str) -> float:
    loaded = store.load(run, checkpoint)
    return float(loaded.arrays[[spec.path for spec in loaded.specs].index(script.rate.path)])


@pytest.mark.parametrize("where", ["memory", "disk"])
@pytest.mark.parametrize(("changes", "rate", "end", "told"), CHANGES)
def test_roll_back_and_go_on_otherwise(
    script: Script, tmp_path: Path, where: str, changes: dict[str, Any], rate: float, end: int, told: str
) -> None:
    """From step 14 back to 5; then there are looks at 6, 11, 16 and 21, the first of which is better than 3."""
    run, uploader, commands = heard_run(checks=3)
    run.recorder.open_segment("start", 0, None, None)
    sent = command(CommandKind.ROLL_BACK, step=5, **changes)
    callback = keep_best(tmp_path, run=run, retention=RetentionSpec(best=3, last=3))

    def send(at: int) -> None:
        assert callback.keeper.drain(20)  # a best that the next one outruns is never on disk
        if at == 14 and not run.recorder.segment:
            if where == "disk":
                callback.keeper.buffer.forget()
            commands.append(sent)

    script.fit(callback, [3, 1, 2, 2, 2, 2, 2], send=send)
    assert answers(uploader, sent) == ["acknowledged", "done"]
    assert uploader.of(CommandUpdate)[-1].message == f"Went back to step 5, {told}."
    _, segment = uploader.of(SegmentOpened)
    assert segment.overrides == Overrides(**changes)
    assert (callback.position.step, callback.best) == (end, 1)
    assert float(script.rate.numpy()) == pytest.approx(rate)
    (first,) = [one for one in Store(tmp_path).manifests(run.id) if one.segment == 1]
    assert (first.kind, first.step) == ("last", 5)
    assert rate_on_disk(script, Store(tmp_path), run.id, first.id) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            {"learning_rate": "1e99"},
            "A learning rate lies above zero, but 1e99 gives Infinity as float32. At step 10 it is 0.001.",
        ),
        ({"step": 5, "max_steps": 5}, "Training goes on from step 5; max_steps 5 leaves nothing to train."),
        ({"step": 7, "learning_rate": "0.1x", "max_steps": 99}, "No state of step 7 is kept"),
        ({"checkpoint": "0" * 12, "reset_patience": True}, "No state of checkpoint 000000000000 is kept"),
        ({"learning_rate": "a tenth"}, "learning_rate: "),
        ({"to": "the moon"}, "to: "),
        ({"momentum": 0.9}, "momentum: "),
    ],
)
def test_a_roll_back_that_cannot_be_changes_nothing(script: Script, asked: dict[str, Any], told: str) -> None:
    run, uploader, commands = heard_run(checks=3)
    sent = command(CommandKind.ROLL_BACK, **asked)
    callback = keep_best(run=run)
    script.fit(callback, [3, 1, 2])
    before = script.bits, run.stopper.state()["policy"], callback.keeper.buffer.states, run.stopper.max_steps
    commands.append(sent)
    assert callback.keeper.obey(callback.position) is None
    assert (script.bits, run.stopper.state()["policy"], callback.keeper.buffer.states, run.stopper.max_steps) == before
    assert answers(uploader, sent) == ["acknowledged", "refused"]
    assert uploader.of(CommandUpdate)[-1].message.startswith(told)
    assert uploader.of(SegmentOpened) == []


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_a_tenth_is_of_the_steps_own_rate_both_times(script: Script, tmp_path: Path, where: str) -> None:
    """What the first roll back went on from is of step 10 too, with another rate: it is not what was kept there."""
    run, uploader, commands = heard_run()
    run.recorder.open_segment("start", 0, None, None)
    callback = keep_best(tmp_path, run=run)

    def send(at: int) -> None:
        assert callback.keeper.drain(20)  # a best that the next one outruns is never on disk
        if at == 13:
            if where == "disk":
                callback.keeper.buffer.forget()
            commands.append(command(CommandKind.ROLL_BACK, step=10, learning_rate="0.1x"))

    script.fit(callback, [3, 1, 2, 2], send=lambda at: send(at) if run.recorder.segment < 2 else None)
    _, *segments = uploader.of(SegmentOpened)
    assert [(one.number, one.parent, one.start_step) for one in segments] == [(1, 0, 10), (2, 0, 10)]
    assert float(script.rate.numpy()) == pytest.approx(1e-4)


def test_back_onto_a_tail_that_was_left(script: Script) -> None:
    """The best of a tail that a roll back left is still the best: the next one goes there, and branches off there."""
    run, uploader, commands = heard_run()
    run.recorder.open_segment("start", 0, None, None)
    callback = keep_best(run=run)
    script.fit(callback, [3, 1, 2, 2])
    sends = [command(CommandKind.ROLL_BACK, step=5), command(CommandKind.ROLL_BACK, to="best", max_steps=99)]
    for sent in sends:
        commands.append(sent)
        callback.keeper.obey(callback.position)
    _, first, second = uploader.of(SegmentOpened)
    assert (first.parent, first.start_step, first.overrides) == (0, 5, None)
    assert (second.parent, second.start_step, second.overrides) == (0, 10, Overrides(max_steps=99))


def test_a_callback_of_the_script_s_own_takes_a_stop_back(script: Script) -> None:
    """At each stop back to the best with a tenth of the rate, twice; then it stops for good."""
    callback = keep_best(patience=2)
    left, end_epoch = ["0.1x", "0.01x"], callback.on_epoch_end

    def on_epoch_end(epoch: int, logs: Any = None) -> None:
        end_epoch(epoch, logs)
        if left and callback.decision.stop:
            callback.roll_back(learning_rate=left.pop(0))

    callback.on_epoch_end = on_epoch_end
    assert script.fit(callback, [1, 2, 2, 2, 2, 2, 2, 2, 2]) == 7 * STEPS
    assert (callback.stop_reason, callback.position.step) == ("patience", 15)
    assert float(script.rate.numpy()) == pytest.approx(1e-5)


def test_between_two_fits(script: Script, tmp_path: Path) -> None:
    callback = keep_best(tmp_path, patience=9)
    script.fit(callback, [1, 2])
    callback.roll_back(learning_rate=3e-5, max_steps=8)
    assert [(one.kind, one.step) for one in Store(tmp_path).manifests(callback.run.id)] == [("best", 5), ("last", 5)]
    assert script.fit(callback, [2, 2]) == 3
    assert callback.position.step == 8
    assert float(script.rate.numpy()) == pytest.approx(3e-5)
    with pytest.raises(NotFound, match="No state of step 6 is kept"):
        callback.roll_back(step=6)


# What is kept to go on from


def test_only_the_newest_checkpoint_to_go_on_from_stays(script: Script, tmp_path: Path) -> None:
    run, uploader, _ = heard_run()
    callback = keep_best(tmp_path, run=run)

    def send(step: int) -> None:
        if step > 6:
            assert callback.keeper.drain(20)
            callback.keeper.checkpoint(callback.position, "last")

    script.fit(callback, [1, 2], send=send)
    kept = sorted((manifest.kind, manifest.step) for manifest in Store(tmp_path).manifests(run.id))
    assert kept == [("best", 5), ("last", 9)]
    assert len(uploader.of(CheckpointDropped)) == 3


def test_a_script_that_goes_on_begins_with_its_changes(script: Script, tmp_path: Path) -> None:
    first = keep_best(tmp_path, patience=2)
    script.fit(first, [1, 2, 2])
    assert first.stop_reason == "patience"
    run, _, _ = heard_run(checks=2)
    end = Store(tmp_path).manifests(first.run.id)[-1].step
    run.id, run.opening.overrides = (
        first.run.id,
        Overrides(learning_rate="0.1x", max_steps=end + 4, reset_patience=True),
    )
    other = Script()
    callback = keep_best(tmp_path, run=run, resume=True)
    assert other.fit(callback, [2, 2, 2]) == 4
    assert (callback.position.step, callback.best, callback.best_step) == (end + 4, 1, 5)
    assert float(other.rate.numpy()) == pytest.approx(1e-4)
