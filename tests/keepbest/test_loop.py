"""`keepbest.Loop`: a loop of the user's own is kept, stopped, rolled back, resumed; with and without a tracker."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import keepbest
from keepbest.checkpoint import Store
from keepbest.contract.base import new_id
from keepbest.contract.batches import CheckpointDurable, ReportedValidation, SegmentOpened
from keepbest.contract.overrides import Overrides
from keepbest.contract.per_example import CorrectExamples
from keepbest.contract.workers import Release
from keepbest.errors import CheckpointMismatch, InvalidInput, NotFound
from keepbest.loop import Loop
from keepbest.status import CommandKind
from keepbest.stopping import parse
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from tests.support.callbacks import answers, command, heard_run
from tests.support.processes import Processes
from tests.support.states import RUN, files_of
from tests.support.tiny_tracker import TinyTracker, settings_of

pytestmark = pytest.mark.usefixtures("closed_writers")


class Counter:
    """A variable that counts its steps, and a loop around it; nothing in it takes time."""

    def __init__(self, store: Any = False, **more: Any) -> None:
        import tensorflow as tf

        self.run, self.uploader, self.commands = heard_run(checks=more.pop("checks", 99), stop=more.pop("stop", None))
        self.count = tf.Variable(0)
        self.loop = Loop(self.run, {"count": self.count}, store=store, **more)

    def train(self, validations: dict[int, float], until: int, send: dict[int, Any] | None = None) -> list[int]:
        """Count one up a step, look where a value is given; return the steps that were trained."""
        trained, pending = [], dict(send or {})
        for step in self.loop:
            self.count.assign_add(1)
            trained.append(step)
            assert int(self.count.numpy()) == step
            assert self.loop.keeper.drain(20)
            if step in validations:
                self.loop.report_validation(step, validations[step])
            if step in pending:
                self.commands.append(pending.pop(step))
            if step == until:
                break
        return trained


# Exact


@pytest.fixture(scope="module")
def game() -> Any:
    from tests.support.own_loop import Game

    return Game(seed=3)


def test_what_a_module_does_not_list_is_kept(game: Any) -> None:
    """tf.Module.variables has neither the Keras layer's nor the generator's: they would not be rolled back."""
    from keepbest.model.variables import TrainedObject
    from keepbest.snapshots.state import specs_of

    assert len(game.net.variables) == 1
    specs = specs_of(TrainedObject(game.kept, game.optimizers))
    # Keras counts its layers over a whole process.
    assert [re.sub(r"_\d+", "", spec.path) for spec in specs if spec.collection == "model"] == [
        "bias",
        "net/dense/dense/kernel",
        "net/dense/dense/bias",
        "net/noise/state_var",
        "net/scales/0",
    ]
    assert {spec.path.split("/")[0] for spec in specs if spec.collection == "optimizer"} == {"0", "1"}


def test_every_later_loss_is_the_same_in_another_process(game: Any, tmp_path: Path, processes: Processes) -> None:
    from tests.support.own_loop import make_run

    loop = Loop(make_run(RUN), game.kept, *game.optimizers, store=tmp_path, carry=[game.draw])
    for step in loop:
        game.train()
        if step == 4:
            loop.report_validation(step, 0.5)
            break
    expected = [game.train() for _ in range(5)]
    for _ in range(2):  # a snapshot that training had written into would show the second time
        assert loop.roll_back().step == 4
        assert [game.train() for _ in range(5)] == expected
    assert loop.close()
    other = processes.with_tensorflow("tests.support.own_loop", tmp_path, RUN, "9")
    assert other.wait() == 0, other.output
    found = json.loads(other.output.partition("FOUND ")[2])
    assert found == {"began": 4, "losses": expected, "best": 0.5}


@pytest.mark.parametrize("kind", ["model", "compiled model", "list", "variable"])
def test_whatever_holds_variables_can_be_kept(kind: str) -> None:
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    optimizer, variable = keras.optimizers.Adam(0.1), tf.Variable([1.0, 2.0], name="w")
    if kind == "compiled model":
        model.compile(optimizer, "mse")
    kept, optimizers = {
        "model": (model, (optimizer,)),
        "compiled model": (model, ()),
        "list": ([variable, model], (optimizer,)),
        "variable": (variable, (optimizer,)),
    }[kind]
    run, _, _ = heard_run()
    loop = Loop(run, kept, *optimizers, store=False)
    moved = [variable] if kind == "variable" else model.trainable_variables
    before = [np.array(one) for one in moved]
    loop.report_validation(1, 0.5)
    optimizer.apply([tf.ones(one.shape) for one in moved], moved)
    assert int(optimizer.iterations.numpy()) == 1
    assert not np.array_equal(np.array(moved[0]), before[0])
    loop.roll_back()
    assert int(optimizer.iterations.numpy()) == 0
    assert all(np.array_equal(np.array(one), value) for one, value in zip(moved, before, strict=True))


# Steps, stops, ways back


def test_it_stops_and_goes_back_to_the_best(tmp_path: Path) -> None:
    made = Counter(tmp_path, checks=2)
    trained = made.train({3: 0.5, 6: 0.4, 9: 0.6, 12: 0.7}, until=99)
    assert trained == list(range(1, 13))
    assert (made.loop.stopped, made.loop.best_step, made.loop.best_value) == (True, 6, 0.4)
    assert made.loop.roll_back().step == made.loop.step == int(made.count.numpy()) == 6
    assert made.run.decision is not None
    assert made.run.decision.reason == "patience"  # going back to the best is no reason to forget why it stopped
    assert not made.uploader.of(SegmentOpened)
    assert made.train({8: 0.3}, until=8) == [7, 8]  # iterating anew goes on from there
    (segment,) = made.uploader.of(SegmentOpened)
    assert (segment.reason, segment.start_step) == ("roll_back", 6)
    assert [(validation.step, validation.segment) for validation in made.uploader.of(ReportedValidation)][-1] == (
        8,
        segment.number,
    )


def test_the_best_that_is_kept_is_within_the_bounds() -> None:
    counter = Counter(stop='require("recall >= 0.9", patience(2))')
    for step in counter.loop:
        counter.count.assign_add(1)
        counter.loop.report_validation(step, 1.0 / step, metrics={"recall": 1.0 - step / 20})
    assert (counter.loop.step, counter.loop.best_step) == (4, 2)
    counter.loop.roll_back()
    assert int(counter.count.numpy()) == 2


def test_a_validation_says_which_examples_were_right() -> None:
    counter = Counter(stop="paired_noise(1)")
    counter.loop.report_validation(1, 0.5, n=10, correct=np.arange(10) < 5)
    decision = counter.loop.report_validation(2, 0.4, n=10, correct=np.arange(10) < 6)
    assert decision.stop
    assert "1 newly right, 0 newly wrong, p = 0.5" in decision.message
    assert [
        validation.examples and validation.examples.correct for validation in counter.uploader.of(ReportedValidation)
    ] == [
        CorrectExamples(n=10, bits="A+A="),
        CorrectExamples(n=10, bits="A/A="),
    ]


def test_a_validation_says_what_each_example_lost() -> None:
    counter = Counter(stop="paired_noise(1)")
    counter.loop.report_validation(1, 0.5, losses=np.full(10, 0.5))
    decision = counter.loop.report_validation(2, 0.25, losses=np.full(10, 0.25))
    assert "(mean gain 0.25, its 5 % quantile 0.25)" in decision.message


def test_a_stop_holds_in_the_next_epoch_too() -> None:
    """For whoever iterates once an epoch, a stop must not be forgotten at the next one."""
    made = Counter(checks=2)
    trained = []
    for _ in range(3):
        for _, step in zip(range(4), made.loop, strict=False):
            trained.append(step)
            made.loop.report_validation(step, float(step))
    assert trained == [1, 2, 3]


def test_silence_stops_it_too() -> None:
    run, _, _ = heard_run()
    run.stopper.set_max_steps(7)
    import tensorflow as tf

    loop = Loop(run, tf.Variable(0.0), store=False)
    assert list(loop) == [1, 2, 3, 4, 5, 6, 7]
    assert run.decision is not None
    assert run.decision.reason == "max_steps"


def test_commands_are_obeyed_between_two_steps(tmp_path: Path) -> None:
    made = Counter(tmp_path)
    back, keep, stop = (
        command(CommandKind.ROLL_BACK, to="best"),
        command(CommandKind.CHECKPOINT),
        command(CommandKind.STOP),
    )
    trained = made.train({3: 0.5, 6: 0.6}, until=99, send={7: back, 5: keep})
    assert trained[:9] == [1, 2, 3, 4, 5, 6, 7, 4, 5]  # the loop learns where it is
    (segment,) = made.uploader.of(SegmentOpened)
    assert (segment.start_step, answers(made.uploader, back)) == (3, ["acknowledged", "done"])
    assert answers(made.uploader, keep) == ["acknowledged", "done"]
    assert [one.step for one in made.uploader.of(CheckpointDurable) if one.kind == "manual"] == [5]
    made.commands.append(stop)
    made.loop.report_validation(100, 0.9)
    assert made.loop.stopped
    assert made.run.decision is not None
    assert made.run.decision.reason == "user"


def test_a_counting_loop_hears_of_a_roll_back_at_a_validation() -> None:
    made = Counter()
    made.loop.report_validation(10, 0.5)
    made.commands.append(command(CommandKind.ROLL_BACK, to="best"))
    assert not made.loop.report_validation(20, 0.6).stop
    assert made.loop.step == 10
    made.commands.append(command(CommandKind.STOP))
    assert made.loop.report_validation(15, 0.6).stop


def test_a_roll_back_gives_each_optimizer_its_learning_rate(game: Any) -> None:
    run, uploader, commands = heard_run()
    loop = Loop(run, game.kept, *game.optimizers, store=False)
    loop.report_validation(1, 0.5)
    before = [float(optimizer.learning_rate) for optimizer in game.optimizers]
    for asked, after in (("0.5x", [0.5 * rate for rate in before]), ("1e-3", [1e-3, 1e-3])):
        sent = command(CommandKind.ROLL_BACK, to="best", learning_rate=asked)
        commands.append(sent)
        loop.report_validation(2 if asked == "0.5x" else 3, 0.6)
        assert answers(uploader, sent) == ["acknowledged", "done"]
        assert [float(optimizer.learning_rate) for optimizer in game.optimizers] == pytest.approx(after)
        assert uploader.of(SegmentOpened)[-1].overrides == Overrides(learning_rate=asked)


# On disk


def test_a_run_goes_on_from_its_newest_checkpoint(tmp_path: Path) -> None:
    made = Counter(tmp_path)
    made.train({3: 0.5}, until=8)
    manifest = made.loop.checkpoint()
    assert (manifest.step, manifest.kind) == (8, "last")
    import tensorflow as tf

    run, _, _ = heard_run()
    run.id = made.run.id
    count = tf.Variable(0)
    loop = Loop(run, {"count": count}, store=tmp_path)
    assert (loop.step, int(count.numpy()), loop.best_step) == (8, 8, 3)
    assert next(iter(loop)) == 9
    assert Loop(run, {"count": count}, store=tmp_path, resume=False).step == 0
    with pytest.raises(CheckpointMismatch, match="count"):
        Loop(run, {"count": tf.Variable([0, 0])}, store=tmp_path)


def test_the_best_is_on_disk_before_the_run_says_that_it_ended(tmp_path: Path) -> None:
    import tensorflow as tf

    there: list[int] = []

    def look(release: Release) -> None:
        there.extend(one.step for one in Store(tmp_path).manifests(run.id))

    run = Run(new_id(), Stopper(parse("patience(9)"), "min"), monitor="val_loss", on_end=look)
    Loop(run, {"count": tf.Variable(0)}, store=tmp_path).report_validation(7, 0.5)
    run.finish()
    assert there == [7]


def test_a_script_reaches_its_checkpoints(tmp_path: Path) -> None:
    import tensorflow as tf

    made = Counter(tmp_path)
    assert made.run.best is None
    made.train({3: 0.5, 5: 0.6}, until=6)
    made.loop.checkpoint()
    assert made.run.best is not None
    best = made.run.best.checkpoint
    assert best is not None
    assert (made.run.best.step, made.run.best.value, best.step, best.value, best.kind) == (3, 0.5, 3, 0.5, "best")
    assert [(one.step, one.kind) for one in keepbest.checkpoints(made.run, store=tmp_path)] == [
        (3, "best"),
        (6, "last"),
    ]
    into = {"count": tf.Variable(0)}
    assert best.load_into(into) is into
    assert int(into["count"].numpy()) == 3
    assert keepbest.restore(made.run.id, tf.Variable(0, name="count"), last=True, store=tmp_path).numpy() == 6
    with pytest.raises(CheckpointMismatch, match="other"):
        best.load_into({"other": tf.Variable(0), "count": tf.Variable(0)})
    assert [row.kind for row in best.plan({"count": tf.Variable([0])}).rows] == ["shape"]


def test_without_a_store_the_best_is_in_memory_only() -> None:
    made = Counter()
    made.train({3: 0.5}, until=5)
    assert made.run.best is not None
    assert made.run.best.checkpoint is None
    with pytest.raises(NotFound, match="no checkpoint store"):
        made.loop.checkpoint()
    assert made.loop.roll_back().step == 3


def test_bests_wait_in_memory_where_that_is_asked_for(tmp_path: Path) -> None:
    made = Counter(tmp_path, writes_bests=False)
    made.train({3: 0.5}, until=5)
    assert not files_of(tmp_path)
    made.loop.checkpoint()
    assert [one.step for one in keepbest.checkpoints(made.run, store=tmp_path)] == [5]


# What cannot be kept


class Lost:
    """An object with state that no checkpoint can hold."""

    def __init__(self) -> None:
        self.table = np.zeros(2)


def test_what_cannot_be_kept_is_named() -> None:
    import keras
    import tensorflow as tf

    run, _, _ = heard_run()
    layer = keras.layers.Dense(2)
    for kept, told in [
        ({"w": tf.Variable(1.0), "rate": 0.1}, "rate, a float, holds no TensorFlow variables"),
        ({"layer": layer}, "layer, a Dense, is not built"),
        ([np.ones(3)], "0, a ndarray, holds no"),
        ({}, "A dict holds no"),
        (keras.Sequential([layer]), "A Sequential is not built"),
    ]:
        with pytest.raises(InvalidInput, match=told):
            Loop(run, kept, store=False)
    with pytest.raises(InvalidInput, match=r"not JSON: Lost\.table"):
        Loop(run, tf.Variable(1.0), store=False, carry=[Lost()])
    unknown, _, _ = heard_run(mode=None)
    unknown.monitor = "score"
    with pytest.raises(InvalidInput, match="which way"):
        Loop(unknown, tf.Variable(1.0), store=False)


# Heard by a tracker


def test_a_tracked_run(tracker: TinyTracker, tmp_path: Path) -> None:
    import tensorflow as tf

    settings = settings_of(tmp_path, tracker.url)
    with keepbest.init(mode="min", monitor="val_loss", stopper="patience(checks=2)", settings=settings) as run:
        loop = Loop(run, {"w": tf.Variable(0.0)}, store=settings.store)
        for step in loop:
            loop.report_validation(step, [0.5, 0.4, 0.6, 0.7, 0.8][step - 1])
        loop.roll_back()
    assert [(validation["step"], validation["value"]) for validation in tracker.said("validations")] == [
        (1, 0.5),
        (2, 0.4),
        (3, 0.6),
        (4, 0.7),
    ]
    durable = tracker.said("checkpoints")
    assert durable[-1]["step"] == 2
    assert tracker.releases[-1]["stop_reason"] == "patience"
    assert run.best is not None
    assert run.best.checkpoint is not None
    assert run.best.checkpoint.id == durable[-1]["id"]
