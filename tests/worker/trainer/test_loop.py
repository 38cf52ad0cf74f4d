"""The loop: looks where they are due, stops where they are decided, and the same bits whatever comes between."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.contract.base import new_id
from keepbest.contract.commands import Command
from keepbest.contract.runs import Mode, RunSpec
from keepbest.errors import InvalidInput, MetricMissing, StoreUnavailable
from keepbest.runs.judge import Judge
from keepbest.runs.run import Run, known_mode
from keepbest.status import CommandKind, CommandState, StopReason
from keepbest.stopping import parse
from keepbest.training import Training
from tests.worker.assignments import NOW, make_spec

keras = pytest.importorskip("keras", reason="needs TensorFlow: pip install 'keepbest[train]'")

from keepbest.checkpoint import Store  # noqa: E402  # after the check that TensorFlow is there
from keepbest.looker import Looker  # noqa: E402
from keepbest.snapshot import Variables  # noqa: E402
from worker.data.splits import digest_of  # noqa: E402
from worker.trainer.feed import make_feed  # noqa: E402
from worker.trainer.loop import Ending, Loop  # noqa: E402


def build(*, rate: float = 0.01, metrics: tuple[Any, ...] = ("accuracy",), steps_per_execution: int = 1) -> Training:
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.int64)
    layers = keras.layers
    model = keras.Sequential([layers.Input((4,)), layers.Dense(8), layers.Dropout(0.3), layers.Dense(2)])
    model.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
        steps_per_execution=steps_per_execution,
    )
    return Training(model, (x[:60], y[:60]), (x[60:], y[60:]), batch_size=8)


class Rig:
    """A loop with all that it needs, and no tracker."""

    def __init__(self, folder: Path, training: Training | None = None, *, run: str | None = None, **spec: Any) -> None:
        given = {"stopper": parse("patience(checks=100)"), "validate_every": 10, "max_steps": 40, **spec}
        self.spec: RunSpec = make_spec(**given)
        self.training = training or build()
        judge = Judge(self.spec.stopper.model_dump(), known_mode(self.spec.mode), self.spec.max_steps)
        self.commands: deque[Command] = deque()
        self.run = Run(run or new_id(), judge, monitor=self.spec.monitor, commands=self.commands)
        self.run.begin(None)
        self.looks: list[tuple[int, float | None]] = []
        self.store = Store(folder)
        self.looker = Looker(self.run, self.store)
        self.hand_back = threading.Event()
        self.at: dict[int, Callable[[], None]] = {}
        self._watch_looks()
        feed = make_feed(self.training, self.spec.seed)
        self.now = 0.0
        self.loop = Loop(self.training, feed, self.looker, self.spec, self.hand_back, clock=lambda: self.now)
        self._act_at_steps()

    def train(self, step: int = 0) -> Ending:
        self.looker.begin(self.training.model)
        return self.loop.train(step)

    def wait(self, seconds: float) -> None:
        """Let the clock go on."""
        self.now += seconds

    def command(self, kind: CommandKind, **arguments: Any) -> None:
        command = Command(
            id=new_id(),
            run=self.run.id,
            kind=kind,
            arguments=arguments,
            state=CommandState.REQUESTED,
            requested_by="me",
            requested_at=NOW,
        )
        self.commands.append(command)

    @property
    def went_back_to(self) -> int:
        """The best step when there had been three looks."""
        return max(self.looks[:3], key=lambda look: (look[1] or 0.0, -look[0]))[0]

    @property
    def digest(self) -> str:
        return digest_of(*(np.asarray(value) for value in Variables(self.training.model).read()))

    def _watch_looks(self) -> None:
        record = self.run.record_look

        def watch(step: int, value: float | None, *rest: Any, **more: Any) -> None:
            self.looks.append((step, value))
            record(step, value, *rest, **more)

        self.run.record_look = watch  # type: ignore[method-assign]

    def _act_at_steps(self) -> None:
        batch_end = self.loop.on_train_batch_end

        def act(batch: int, logs: Any = None) -> None:
            self.at.pop(self.loop._began_at + batch + 1, lambda: None)()
            batch_end(batch, logs)

        self.loop.on_train_batch_end = act  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    """Forty steps without anything in between."""
    rig = Rig(tmp_path_factory.mktemp("straight"))
    assert rig.train() is Ending.STOPPED
    return rig


def test_it_looks_where_it_should_and_once_more_at_the_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_steps=25)
    assert rig.train() is Ending.STOPPED
    assert [step for step, _ in rig.looks] == [10, 20, 25]
    assert rig.run.decision is not None
    assert rig.run.decision.reason is StopReason.MAX_STEPS


def test_patience_in_steps_ends_between_two_looks(tmp_path: Path) -> None:
    """The tutorial's loop tests at every step: best at 4800, patience 1000, stop at 5801."""
    rig = Rig(tmp_path, build(rate=0.0), stopper=parse("patience(steps=15)"))
    assert rig.train() is Ending.STOPPED
    assert rig.loop.step == 26
    assert [step for step, _ in rig.looks] == [10, 20, 26]
    assert rig.looks[-1] == (26, None)


def test_several_steps_in_one_execution_are_counted(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(steps_per_execution=5), max_steps=30)
    rig.train()
    assert [step for step, _ in rig.looks] == [10, 20, 30]


@pytest.mark.parametrize("step", [10, 17])
def test_handed_back_and_taken_up_elsewhere_it_ends_with_the_same_bits(
    step: int, straight: Rig, tmp_path: Path
) -> None:
    first = Rig(tmp_path)
    first.at[step] = first.hand_back.set
    assert first.train() is Ending.HANDED_BACK
    first.looker.checkpoint(first.loop.position, "last")
    first.looker.close()
    second = Rig(tmp_path, run=first.run.id)
    loaded = second.store.load_newest(first.run.id)
    assert loaded is not None
    state = loaded.resume_into(second.training.model)
    second.run.go_on_from(state.stopper)
    assert state.step == step
    assert second.train(state.step) is Ending.STOPPED
    assert first.looks + second.looks == straight.looks
    assert second.digest == straight.digest


def test_rolled_back_it_goes_on_with_the_same_bits(straight: Rig, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[33] = lambda: rig.command(CommandKind.ROLL_BACK)
    rig.train()
    assert [step for step, _ in rig.looks] == [10, 20, 30, *range(rig.went_back_to + 10, 41, 10)]
    assert dict(rig.looks) == dict(straight.looks)
    assert rig.digest == straight.digest
    assert rig.run.segment == 1


def test_a_stop_ends_at_the_next_batch(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[13] = lambda: rig.command(CommandKind.STOP)
    assert rig.train() is Ending.ASKED
    assert (rig.loop.step, [step for step, _ in rig.looks]) == (13, [10])


def test_a_cancellation_ends_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[3] = lambda: rig.command(CommandKind.CANCEL)
    assert rig.train() is Ending.CANCELLED
    assert rig.looks == []


def test_asked_for_a_checkpoint_it_writes_one_of_that_very_step(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.at[13] = lambda: rig.command(CommandKind.CHECKPOINT)
    rig.train()
    rig.looker.close()
    assert [manifest.step for manifest in rig.store.manifests(rig.run.id) if manifest.kind == "manual"] == [13]


def test_what_a_crash_costs_is_bounded_by_time(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(rate=0.0))
    rig.at |= {15: lambda: rig.wait(29), 25: lambda: rig.wait(2), 32: lambda: rig.wait(119), 35: lambda: rig.wait(2)}
    rig.train()
    rig.looker.close()
    written = [(manifest.kind, manifest.step) for manifest in rig.store.manifests(rig.run.id)]
    assert written == [("best", 10), ("last", 35)]  # and the one of the look at 30, which this one replaced


def test_a_run_that_had_decided_to_stop_does_not_go_on(straight: Rig, tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.run.go_on_from(straight.run.stopper_state())
    assert rig.train(40) is Ending.STOPPED
    assert rig.looks == []


def test_a_metric_that_is_not_there_is_told_at_the_first_look(tmp_path: Path) -> None:
    rig = Rig(tmp_path, monitor="val_acuracy")
    with pytest.raises(MetricMissing) as caught:
        rig.train()
    assert rig.loop.step == 10
    assert "there are accuracy, loss, val_accuracy, val_loss" in caught.value.message


def test_the_direction_is_the_metric_s_own(tmp_path: Path) -> None:
    rig = Rig(tmp_path, mode=Mode.AUTO, max_steps=10)
    rig.train()
    assert rig.run.judge.policy.mode == "max"


def test_a_direction_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(metrics=(nameless,)), mode=Mode.AUTO, monitor="val_nameless")
    with pytest.raises(InvalidInput) as caught:
        rig.train()
    assert caught.value.field == "mode"


def nameless(y: Any, predicted: Any) -> Any:
    return predicted[:, 0]


def test_nan_at_the_first_look_ends_the_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path, build(rate=float("nan")), monitor="val_loss", mode=Mode.MIN, stopper=parse("check_finite()"))
    assert rig.train() is Ending.STOPPED
    assert rig.run.decision is not None
    assert (rig.loop.step, rig.run.decision.reason) == (10, StopReason.NON_FINITE)
    assert rig.looker.restore_best() is None


def test_training_goes_on_with_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full from the second best on: every look is taken, and the first best is still there."""
    rig = Rig(tmp_path)
    write = rig.store.write
    dropped: list[str] = []

    def full(state: Any, about: Any) -> Any:
        if rig.store.checkpoints(rig.run.id):
            raise StoreUnavailable("No space left on device.")
        return write(state, about)

    monkeypatch.setattr(rig.store, "write", full)
    monkeypatch.setattr(rig.run, "checkpoint_dropped", lambda id, reason: dropped.append(reason))
    assert rig.train() is Ending.STOPPED
    rig.looker.close()
    assert [step for step, _ in rig.looks] == [10, 20, 30, 40]
    assert len(rig.store.checkpoints(rig.run.id)) == 1
    assert any("No space left on device." in reason for reason in dropped)
