"""The loop: looks where they are due, stops where they are decided, and the same bits whatever comes between."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.overrides import Overrides
from keepbest.contract.runs import Mode
from keepbest.errors import InvalidInput, MetricMissing, StoreUnavailable
from keepbest.status import CommandKind, StopReason
from keepbest.stopping import Correct, parse
from keepbest.training.spec import Training

keras = pytest.importorskip("keras", reason="needs TensorFlow: make install")
tf = pytest.importorskip("tensorflow")

from tests.support.rig import Killed, Rig, build  # noqa: E402
from worker.trainer.fit import Ending  # noqa: E402


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Forty steps without anything in between."""
    rig = Rig(tmp_path_factory.mktemp("straight"))
    assert rig.train() is Ending.STOPPED
    return rig


def test_it_validates_where_it_should_and_once_more_at_the_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_steps=25)
    assert rig.train() is Ending.STOPPED
    assert [step for step, _ in rig.validations] == [10, 20, 25]
    assert rig.run.decision is not None
    assert rig.run.decision.reason is StopReason.MAX_STEPS


def test_patience_in_steps_ends_between_two_validations(tmp_path: Path) -> None:
    """The tutorial's loop tests at every step: best at 4800, patience 1000, stop at 5801."""
    rig = Rig(tmp_path, build(rate=0.0), stopper=parse("patience(steps=15)"))
    assert rig.train() is Ending.STOPPED
    assert rig.loop.step == 26
    assert [step for step, _ in rig.validations] == [10, 20, 26]
    assert rig.validations[-1] == (26, None)


def test_several_steps_in_one_execution_are_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(steps_per_execution=5), max_steps=30)
    rig.train()
    assert [step for step, _ in rig.validations] == [10, 20, 30]


@pytest.mark.parametrize("step", [10, 17])
def test_a_run_handed_back_and_taken_up_ends_with_the_same_bits(step: int, straight: Rig, tmp_path: Path) -> None:
    first = Rig(tmp_path)
    first.at[step] = first.hand_back.set
    assert first.train() is Ending.HANDED_BACK
    first.keeper.checkpoint(first.loop.position, "last")
    first.keeper.close()
    second = Rig(tmp_path, run=first.run.id)
    loaded = second.store.load_newest(first.run.id)
    assert loaded is not None
    state = loaded.resume_into(second.training.model)
    second.run.stopper.go_on_from(state.stopper)
    assert state.step == step
    assert second.train(state.step) is Ending.STOPPED
    assert first.validations + second.validations == straight.validations
    assert second.digest == straight.digest


def test_paused_at_its_rungs_it_ends_with_the_same_bits(straight: Rig, tmp_path: Path) -> None:
    """Killed between its checkpoint and its release it pauses again at once. Without a sweep it pauses nowhere."""
    stopper = parse("patience(checks=100) | successive_halving(10, factor=2)")
    parts = [Rig(tmp_path, stopper=stopper)]
    parts[0].run.stopper.promotions = 0
    assert parts[0].train() is Ending.PAUSED
    for promotions, ending in [(0, Ending.PAUSED), (1, Ending.PAUSED), (None, Ending.STOPPED)]:
        parts[-1].leave()
        parts.append(Rig(tmp_path, run=parts[0].run.id, stopper=stopper))
        parts[-1].run.stopper.promotions = promotions
        assert parts[-1].resume() is ending
    assert [rig.loop.step for rig in parts] == [10, 10, 20, 40]
    assert [validation for rig in parts for validation in rig.validations] == straight.validations
    assert parts[-1].digest == straight.digest


@pytest.mark.parametrize("step", [17, 20])
def test_paused_by_a_person_it_ends_with_the_same_bits(step: int, straight: Rig, tmp_path: Path) -> None:
    """Between two validations, and at one, which is measured before the worker is free."""
    first = Rig(tmp_path)
    first.at[step] = lambda: first.command(CommandKind.PAUSE)
    assert first.train() is Ending.SET_ASIDE
    assert [manifest.step for manifest in first.store.manifests(first.run.id)][-1] == step  # before it ends
    if first.loop.is_validation_due:
        first.keeper.checkpoint(first.loop.position, "last")
    first.leave()
    second = Rig(tmp_path, run=first.run.id)
    assert second.resume() is Ending.STOPPED
    assert first.validations + second.validations == straight.validations
    assert second.digest == straight.digest


@pytest.mark.parametrize(("stopper", "said"), [("patience(99)", ""), ("paired_noise(99)", " newly wrong, p = ")])
def test_rolled_back_it_goes_on_with_the_same_bits(stopper: str, said: str, straight: Rig, tmp_path: Path) -> None:
    """Also where each validation measures the examples one by one."""
    rig = Rig(tmp_path, stopper=parse(stopper))
    rig.at[33] = lambda: rig.command(CommandKind.ROLL_BACK)
    rig.train()
    assert [step for step, _ in rig.validations] == [10, 20, 30, *range(rig.went_back_to + 10, 41, 10)]
    assert dict(rig.validations) == dict(straight.validations)
    assert rig.digest == straight.digest
    assert rig.run.recorder.segment == 1
    assert said in str(rig.run.decision)
    assert {type(pairs) for pairs in rig.recorded} == {Correct if said else type(None)}


def test_a_shuffled_pipeline_goes_on_with_the_same_bits_too(tmp_path: Path) -> None:
    """Rolled back it came in another order: the second iterator of a dataset took up the first one's seeds."""
    straight, again = Rig(tmp_path, piped()), Rig(tmp_path, piped())
    straight.train()
    again.at[33] = lambda: again.command(CommandKind.ROLL_BACK, step=10)
    again.train()
    assert again.run.recorder.segment == 1
    assert (dict(again.validations), again.digest) == (dict(straight.validations), straight.digest)


def piped() -> Training:
    training = build()
    return replace(training, train=tf.data.Dataset.from_tensor_slices(training.train).shuffle(60, seed=3).batch(8))


def test_a_run_killed_after_a_changed_roll_back_keeps_the_change(straight: Rig, tmp_path: Path) -> None:
    """The same bits as without the kill: the roll back itself put on disk what it changed."""
    change = {"learning_rate": "0.1x", "max_steps": 50}
    whole, killed = Rig(tmp_path / "whole"), Rig(tmp_path / "killed")
    whole.at[33] = lambda: whole.command(CommandKind.ROLL_BACK, **change)
    assert whole.train() is Ending.STOPPED
    assert whole.loop.step == 50

    def roll_back_and_die() -> None:
        killed.command(CommandKind.ROLL_BACK, **change)
        killed.at[straight.went_back_to + 2] = killed.die

    killed.at[33] = roll_back_and_die
    with pytest.raises(Killed):
        killed.train()
    again = Rig(tmp_path / "killed", run=killed.run.id, max_steps=50)
    assert again.resume() is Ending.STOPPED
    assert (again.validations, again.digest) == (whole.validations[3:], whole.digest)
    assert whole.digest != straight.digest


@pytest.mark.parametrize("max_steps", [26, 90])
def test_the_last_step_moves_while_it_trains(max_steps: int, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[13] = lambda: rig.command(CommandKind.ROLL_BACK, max_steps=max_steps)
    assert rig.train() is Ending.STOPPED
    assert [step for step, _ in rig.validations] == [10, *range(20, max_steps, 10), max_steps]
    assert rig.run.decision is not None
    assert rig.run.decision.reason is StopReason.MAX_STEPS


def test_an_ended_run_goes_on_as_it_was_asked_to(tmp_path: Path) -> None:
    """Two attempts from its last step: the second one finds on disk what the first one was told to change."""
    first = Rig(tmp_path)
    first.at[40] = lambda: first.command(CommandKind.CHECKPOINT)
    first.train()
    first.keeper.close()
    changes = Overrides(learning_rate="0.1x", max_steps=60, reset_patience=True)
    second, third = Rig(tmp_path, run=first.run.id, max_steps=60), Rig(tmp_path, run=first.run.id, max_steps=60)
    assert second.resume(changes) is Ending.STOPPED
    assert [step for step, _ in second.validations] == [50, 60]
    (changed,) = [one for one in first.store.manifests(first.run.id) if (one.kind, one.step) == ("last", 40)]
    assert third.resume(checkpoint=changed.id) is Ending.STOPPED
    assert (third.validations, third.digest) == (second.validations, second.digest)


def test_gone_on_from_before_its_best_nothing_worse_replaces_it(straight: Rig, tmp_path: Path) -> None:
    first = Rig(tmp_path)
    first.at[5] = lambda: first.command(CommandKind.CHECKPOINT)
    first.train()
    first.keeper.close()
    manual, *bests = first.store.manifests(first.run.id)
    second = Rig(tmp_path, build(rate=1e-9), run=first.run.id)
    second.resume(Overrides(learning_rate="1e-9x"), checkpoint=manual.id, best=bests[-1].id)
    assert len(second.validations) == 4
    assert second.keeper.best == first.keeper.best
    assert getattr(second.keeper.restore_best(), "id", None) == bests[-1].id


def test_a_stop_ends_at_the_next_batch(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[13] = lambda: rig.command(CommandKind.STOP)
    assert rig.train() is Ending.ASKED
    assert (rig.loop.step, [step for step, _ in rig.validations]) == (13, [10])


def test_a_cancellation_ends_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[3] = lambda: rig.command(CommandKind.CANCEL)
    assert rig.train() is Ending.CANCELLED
    assert rig.validations == []


def test_asked_for_a_checkpoint_it_writes_one_of_that_very_step(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[13] = lambda: rig.command(CommandKind.CHECKPOINT)
    rig.train()
    rig.keeper.close()
    assert [manifest.step for manifest in rig.store.manifests(rig.run.id) if manifest.kind == "manual"] == [13]


def test_what_a_crash_costs_is_bounded_by_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(rate=0.0))
    rig.at |= {15: lambda: rig.wait(29), 25: lambda: rig.wait(2), 32: lambda: rig.wait(119), 35: lambda: rig.wait(2)}
    rig.train()
    rig.keeper.close()
    written = [(manifest.kind, manifest.step) for manifest in rig.store.manifests(rig.run.id)]
    assert written == [("best", 10), ("last", 35)]  # and the one of the validation at 30, which this one replaced


def test_a_run_that_had_decided_to_stop_does_not_go_on(straight: Rig, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run.stopper.go_on_from(straight.run.stopper.state())
    assert rig.train(40) is Ending.STOPPED
    assert rig.validations == []


def test_a_missing_metric_is_told_at_the_first_validation(tmp_path: Path) -> None:
    rig = Rig(tmp_path, monitor="val_acuracy")
    with pytest.raises(MetricMissing) as caught:
        rig.train()
    assert rig.loop.step == 10
    assert "there are accuracy, loss, val_accuracy, val_loss" in caught.value.message


def test_the_direction_is_the_metric_s_own(tmp_path: Path) -> None:
    rig = Rig(tmp_path, mode=Mode.AUTO, max_steps=10)
    rig.train()
    assert rig.run.stopper.policy.mode == "max"


def test_a_metric_by_class_is_a_curve_each_and_can_be_monitored(tmp_path: Path) -> None:
    """Keras' F1Score() is a vector."""
    training = build(one_hot=True, metrics=(keras.metrics.F1Score(name="f1"),))
    rig = Rig(tmp_path, training, monitor="val_f1[mean]", mode=Mode.AUTO, max_steps=10)
    assert rig.train() is Ending.STOPPED
    assert rig.run.stopper.policy.mode == "max"
    measured = rig.loop.gauge.measure(training.model).values
    assert measured["val_f1[mean]"] == pytest.approx((measured["val_f1[0]"] + measured["val_f1[1]"]) / 2)
    assert rig.validations == [(10, measured["val_f1[mean]"])]


def test_a_direction_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(metrics=(nameless,)), mode=Mode.AUTO, monitor="val_nameless")
    with pytest.raises(InvalidInput) as caught:
        rig.train()
    assert caught.value.field == "mode"


def nameless(y: Any, predicted: Any) -> Any:
    return predicted[:, 0]


def test_nan_at_the_first_validation_ends_the_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(rate=float("nan")), monitor="val_loss", mode=Mode.MIN, stopper=parse("check_finite()"))
    assert rig.train() is Ending.STOPPED
    assert rig.run.decision is not None
    assert (rig.loop.step, rig.run.decision.reason) == (10, StopReason.NON_FINITE)
    assert rig.keeper.restore_best() is None


def test_training_goes_on_with_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full from the second best on: every validation is taken, and the first best is still there."""
    rig = Rig(tmp_path)
    write = rig.store.write
    dropped: list[str] = []

    def full(state: Any, about: Any) -> Any:
        if rig.store.checkpoints(rig.run.id):
            raise StoreUnavailable("No space left on device.")
        return write(state, about)

    monkeypatch.setattr(rig.store, "write", full)
    monkeypatch.setattr(rig.run.recorder, "checkpoint_dropped", lambda id, reason: dropped.append(reason))
    assert rig.train() is Ending.STOPPED
    rig.keeper.close()
    assert [step for step, _ in rig.validations] == [10, 20, 30, 40]
    assert len(rig.store.checkpoints(rig.run.id)) == 1
    assert any("No space left on device." in reason for reason in dropped)


def test_what_no_checkpoint_holds_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.trainer.fit.find_random_operations", lambda model: ["RandomStandardNormal"])
    rig, said = Rig(tmp_path), []
    monkeypatch.setattr(rig.run.recorder, "report", lambda **progress: said.append(progress))
    rig.train()
    (told,) = [progress for progress in said if "resume" in progress]
    assert told["resume"] == "approximate"
    assert "hidden counters (RandomStandardNormal)" in told["resume_note"]
