"""A network that has become NaN is never the best, whatever its value: in memory, on disk, in stopper and ledger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import CheckpointDropped, CheckpointDurable, CommandUpdate, WithdrawnValidation
from keepbest.loop import Loop
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.soundness import is_finite
from keepbest.snapshots.state import Position, State, VariableSpec
from keepbest.status import CommandKind
from keepbest.stopping import Validation
from keepbest.tf1 import Session
from keepbest.training.vetting import NOT_KEPT, Vetting
from tests.support.callbacks import Script, command, heard_run, keep_best
from tests.support.processes import PATIENCE

NAN, INF = float("nan"), float("inf")


class Arrays(VariableSet):
    """Variables that are arrays."""

    def __init__(self, **arrays: Sequence[float]) -> None:
        self.specs = tuple(
            VariableSpec("model", i, name, (len(a),), "float32") for i, (name, a) in enumerate(arrays.items())
        )
        self.values = [np.array(one, np.float32) for one in arrays.values()]

    @property
    def trained(self) -> Sequence[int]:
        return range(len(self.specs))

    def are(self, other: VariableSet) -> bool:
        return self is other

    def read(self) -> Sequence[Any]:
        return self.values

    def check(self, state: State) -> None:
        pass

    def put(self, state: State) -> None:
        pass


class Vetted:
    """A run that is vetted by hand: `report_validation` judges and keeps, `vet` is the writer's turn."""

    def __init__(self, living: Arrays, count: int = 3) -> None:
        self.run, self.uploader, _ = heard_run("max")
        self.ring, self.living, self.rewritten = SnapshotBuffer(count, 10**6), living, list[int]()
        self.vetting = Vetting(self.run, self.ring, lambda state: self.rewritten.append(state.step))
        self.vetting.begin(living)
        self.states: dict[int, State] = {}

    def report_validation(self, step: int, value: float, *arrays: Sequence[float]) -> None:
        decision = self.run.judge(Validation(step, value))
        values = tuple(np.array(one, np.float32) for one in arrays) or tuple(self.living.values)
        state = State(Position(step), self.living.specs, values, self.run.stopper.state())
        if decision.improved:
            self.states[step] = state
            self.ring.keep(state, best=True)
            self.vetting.expect(state, 0, value)

    def vet(self, step: int) -> str | None:
        return self.vetting.find_fault(self.states[step])

    @property
    def best(self) -> tuple[int | None, int | None]:
        """Return the best step in the stopper, and in memory."""
        held = self.ring.best
        return self.run.stopper.state()["policy"]["best_step"], held.step if held else None

    @property
    def withdrawn(self) -> list[tuple[int, str]]:
        return [(said.step, said.reason) for said in self.uploader.of(WithdrawnValidation)]


def test_the_best_goes_back_to_the_one_before(caplog: pytest.LogCaptureFixture) -> None:
    vetted = Vetted(Arrays(kernel=[1, 2]))
    vetted.report_validation(1, 0.5)
    assert vetted.vet(1) is None
    vetted.report_validation(2, 0.9, [NAN, 2])
    assert vetted.vet(2) == "kernel became NaN (1 of 2 numbers)"
    assert vetted.best == (1, 1)
    (said,) = vetted.uploader.of(WithdrawnValidation)
    assert (said.segment, said.step, said.value, said.checkpoint) == (0, 2, 0.9, vetted.states[2].id)
    assert (said.decision.best_step, said.decision.best_value, said.decision.wait) == (1, 0.5, 1)
    assert (
        "step 2 is withdrawn as the best: kernel became NaN (1 of 2 numbers); the best is step 1 again" in caplog.text
    )
    assert vetted.rewritten == []  # it is on disk
    assert (vetted.vet(2), len(vetted.uploader.of(WithdrawnValidation))) == ("kernel became NaN (1 of 2 numbers)", 1)


def test_one_that_the_disk_skipped_is_written_after_all() -> None:
    """Bests came faster than the disk: 2 was skipped for 3, and 3 is none."""
    vetted = Vetted(Arrays(kernel=[1, 2]))
    for step, arrays in ((1, [1, 2]), (2, [3, 4]), (3, [INF, INF])):
        vetted.report_validation(step, 0.1 * step, arrays)
    vetted.vet(3)
    assert (vetted.best, vetted.rewritten, vetted.withdrawn) == ((2, 2), [2], [(3, "kernel became infinite")])
    assert vetted.run.stopper.withdraw(2, 0.2, "checked") is None


def test_all_that_became_nan_are_withdrawn_one_after_the_other() -> None:
    vetted = Vetted(Arrays(kernel=[1, 2]))
    for step, arrays in ((1, [1, 2]), (2, [NAN, NAN]), (3, [NAN, NAN])):
        vetted.report_validation(step, 0.1 * step, arrays)
    vetted.vet(3)
    assert (vetted.best, vetted.rewritten) == ((1, 1), [1])
    assert vetted.withdrawn == [(3, "kernel became NaN"), (2, "kernel became NaN")]


def test_one_of_which_nothing_is_kept_cannot_be_the_best() -> None:
    vetted = Vetted(Arrays(kernel=[1, 2]), count=1)
    vetted.report_validation(1, 0.1)
    vetted.report_validation(2, 0.2, [NAN, NAN])
    vetted.vet(2)
    assert (vetted.best, vetted.withdrawn) == ((None, None), [(2, "kernel became NaN"), (1, NOT_KEPT)])


def test_what_was_not_finite_from_the_beginning_is_not_judged() -> None:
    """A mask of -inf, which its layer did not say is not trained."""
    vetted = Vetted(Arrays(kernel=[1, 2], mask=[0, -INF]))
    vetted.report_validation(1, 0.5, [3, 4], [0, -INF])
    vetted.report_validation(2, 0.6, [3, NAN], [0, -INF])
    assert (vetted.vet(1), vetted.vet(2)) == (None, "kernel became NaN (1 of 2 numbers)")


def test_who_goes_back_to_the_best_does_not_wait_for_the_disk() -> None:
    vetted = Vetted(Arrays(kernel=[1, 2]))
    vetted.report_validation(1, 0.5)
    vetted.report_validation(2, 0.9, [NAN, 2])
    vetted.vetting.check_best()
    assert (vetted.best, vetted.rewritten) == ((1, 1), [1])
    assert vetted.vet(2) is not None  # the writer comes to it later, and says nothing more
    assert len(vetted.withdrawn) == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int64", "bool"])
def test_the_last_of_many_numbers_is_looked_at(dtype: str) -> None:
    array = np.ones(2**17 + 3, dtype)
    assert is_finite(array)
    assert is_finite(np.ones((), dtype))
    if array.dtype.kind in "fc":
        array[-1] = NAN
        assert not is_finite(array)


# A whole training


def broken(
    step: int, folder: Path | bool, validations: Sequence[Any], checks: int = 99, **more: Any
) -> tuple[Any, Any, Script]:
    """Train with KeepBest; from `step` on the kernel is NaN, while the value gets better and better."""
    run, uploader, _ = heard_run("min", checks)
    callback, script = keep_best(folder, run=run), Script()

    def break_down(now: int) -> None:
        callback.keeper.drain(20)
        if now == step:
            script.weight.assign(np.full(script.weight.shape, NAN))

    script.fit(callback, validations, send=break_down)
    return callback, uploader, script


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_fit_ends_with_the_best_that_is_finite(tmp_path: Path, on_disk: bool) -> None:
    """Without losses in the logs that would show it: the metric of a custom train step."""
    callback, uploader, script = broken(6, tmp_path if on_disk else False, [3.0, 2.0, 1.0])
    assert (callback.best_step, callback.best, callback.best_epoch) == (5, 3.0, 1)
    assert [said.step for said in uploader.of(WithdrawnValidation)] == [10, 15]
    assert callback.keeper.buffer.best.step == 5
    state = callback.keeper.restore_best()
    assert (state.step, bool(np.isfinite(script.weight.numpy()).all())) == (5, True)
    if on_disk:
        assert [one.step for one in Store(tmp_path).manifests(callback.run.id)] == [5]
        durable = {said.id for said in uploader.of(CheckpointDurable)}
        assert durable.isdisjoint(said.id for said in uploader.of(CheckpointDropped))


def test_patience_that_ran_out_stops_between_two_validations(tmp_path: Path) -> None:
    callback, uploader, _ = broken(6, tmp_path, [3.0, 2.0, 1.0, 0.5], checks=1)
    assert (callback.stop_reason, callback.position.step, callback.best_step) == ("patience", 11, 5)
    assert uploader.of(WithdrawnValidation)[0].decision.stop


def test_a_state_nothing_resumes_is_written_only_when_asked_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import tensorflow as tf

    caplog.set_level(logging.WARNING)
    run, uploader, commands = heard_run("min")
    weight = tf.Variable([1.0])
    loop = Loop(run, {"w": weight, "mask": tf.Variable([-INF])}, store=tmp_path)
    loop.report_validation(1, 3.0)
    weight.assign([NAN])
    loop.keeper.checkpoint(Position(2), "last")
    commands.append(command(CommandKind.CHECKPOINT))
    loop.report_validation(3, 4.0)
    assert loop.keeper.drain(20)
    assert [one.kind for one in Store(tmp_path).manifests(run.id)] == ["best", "manual"]
    assert [update.state for update in uploader.of(CommandUpdate)][-1] == "done"
    assert "the checkpoint of step 2 is not written: w became NaN." in caplog.text
    assert loop.roll_back().step == 1
    assert loop.close()


def test_what_is_written_after_a_withdrawal_holds_no_such_best(tmp_path: Path) -> None:
    """Somebody heals the network, and a crash comes before the next best: the resume knows the right one."""
    import tensorflow as tf

    run, uploader, _ = heard_run("max")
    weight = tf.Variable([1.0])
    loop = Loop(run, {"w": weight}, store=tmp_path)
    admit, may_go_on = loop.keeper.checkpoints._admit, Event()
    loop.keeper.checkpoints._writer._admit = lambda task: may_go_on.wait(PATIENCE) and admit(task)  # type: ignore[union-attr]
    for step, value in ((1, 0.5), (2, 0.6), (3, 0.9)):
        loop.report_validation(step, value)
        weight.assign([NAN] if step == 2 else [2.0])
    loop.keeper.checkpoint(Position(4), "last")
    may_go_on.set()
    assert loop.keeper.drain(20)
    manifests = {one.step: one for one in Store(tmp_path).manifests(run.id)}
    best, last = manifests[2], manifests[4]  # the first may be on disk before the second outruns it
    assert (best.kind, best.value, best.stopper["policy"]["best_step"]) == ("best", 0.6, 2)
    assert (last.kind, last.stopper["policy"]["best_step"], last.at > best.at) == ("last", 2, True)
    assert 3 not in manifests
    assert [said.step for said in uploader.of(WithdrawnValidation)] == [3]
    assert loop.close()


@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
def test_a_graph_that_became_nan_is_not_what_comes_back(resource: bool, tmp_path: Path) -> None:
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.variable_scope("", use_resource=resource):
        weight, given = tf.get_variable("w", [2], initializer=tf.ones_initializer()), tf.placeholder(tf.float32, [2])
        start, change = tf.global_variables_initializer(), tf.assign(weight, given)
        with tf.Session() as sess:
            sess.run(start)
            session = Session(sess, mode="max", store=tmp_path)
            assert session.keep(2, 0.5)
            sess.run(change, {given: [NAN, 3]})
            session.keep(3, 0.9)
            written = session.checkpoint()
            assert (written.step, written.value, session.best_step) == (2, 0.5, 2)
            assert session.restore().step == 2
            assert list(sess.run(weight)) == [1, 1]
            assert session.close()
