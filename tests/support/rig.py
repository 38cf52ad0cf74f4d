"""A small network, and a training loop with all that it needs and no tracker."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keepbest.checkpoint import Manifest, Store
from keepbest.contract.base import new_id
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.commands import Command
from keepbest.contract.overrides import Overrides
from keepbest.contract.runs import RunSpec
from keepbest.contract.workers import Assignment
from keepbest.selection.selectors import build as build_selector
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.snapshot import ModelVariables
from keepbest.status import CommandKind, CommandState
from keepbest.stopping import Pairs, Validation, parse
from keepbest.tracking.opening import OpensAtOnce
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper, known_mode
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.spec import Training
from tests.support.assignments import NOW, make_assignment, make_spec
from worker.data.splits import digest_of
from worker.trainer.batches import make_feed
from worker.trainer.fit import Ending, TrainingLoop
from worker.trainer.resume import resume


def build(
    *,
    rate: float = 0.01,
    metrics: tuple[Any, ...] = ("accuracy",),
    steps_per_execution: int = 1,
    one_hot: bool = False,
) -> Training:
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    y = (x.sum(axis=1) > 0).astype(np.int64)
    y = keras.utils.to_categorical(y, 2) if one_hot else y
    layers, losses = keras.layers, keras.losses
    loss = losses.CategoricalCrossentropy if one_hot else losses.SparseCategoricalCrossentropy
    model = keras.Sequential([layers.Input((4,)), layers.Dense(8), layers.Dropout(0.3), layers.Dense(2)])
    model.compile(
        keras.optimizers.Adam(rate),
        loss(from_logits=True),
        metrics=list(metrics),
        steps_per_execution=steps_per_execution,
    )
    return Training(model, (x[:60], y[:60]), (x[60:], y[60:]), batch_size=8)


class Killed(Exception):  # no error of ours
    """The process is gone."""


def assign(run: str, spec: RunSpec, wanted: Manifest, best: str | None, overrides: Overrides | None) -> Assignment:
    """Return an assignment to go on from a checkpoint."""
    given = make_assignment()
    about = {"id": wanted.id, "run": run, "segment": wanted.segment, "step": wanted.step, "kind": wanted.kind}
    files = {"digest": "0" * 64, "size_bytes": 1, "written_bytes": 1, "location": "store", "state": "durable"}
    known = given.run.model_copy(update={"id": run, "spec": spec, "best_checkpoint": best})
    resume = Checkpoint.model_validate({**about, **files, "at": wanted.at})
    told = {"run": known, "resume": resume, "overrides": overrides, "next_segment": 99}
    return given.model_copy(update=told)


class Rig:
    """A loop with all that it needs, and no tracker."""

    def __init__(self, folder: Path, training: Training | None = None, *, run: str | None = None, **spec: Any) -> None:
        given = {"stopper": parse("patience(checks=100)"), "validate_every": 10, "max_steps": 40, **spec}
        self.spec: RunSpec = make_spec(**given)
        self.training = training or build()
        stopper = Stopper(self.spec.stopper.model_dump(), known_mode(self.spec.mode), self.spec.max_steps)
        self.commands: deque[Command] = deque()
        self.run = Run(run or new_id(), stopper, monitor=self.spec.monitor, commands=self.commands)
        self.run.begin(OpensAtOnce())
        self.validations: list[tuple[int, float | None]] = []
        self.recorded: list[Pairs | None] = []
        self.store = Store(folder)
        self.carried = CarriedState(self.training.callbacks)
        selector = build_selector(self.spec.selector.model_dump())
        self.keeper = BestKeeper(self.run, self.store, selector=selector, carried=self.carried)
        self.hand_back = threading.Event()
        self.at: dict[int, Callable[[], None]] = {}
        self._watch_validations()
        feed = make_feed(self.training, self.spec.seed)
        self.now = 0.0
        self.loop = TrainingLoop(
            self.training, feed, self.keeper, self.spec, self.hand_back, self.carried, lambda: self.now
        )
        self._act_at_steps()

    def train(self, step: int = 0) -> Ending:
        self.keeper.begin(self.training.model)
        return self.loop.train(step)

    def resume(
        self, overrides: Overrides | None = None, *, checkpoint: str | None = None, best: str | None = None
    ) -> Ending:
        """Train as the run's next attempt, from this checkpoint or the newest, as the trainer does."""
        found = self.store.manifests(self.run.id)
        wanted = next(one for one in reversed(found) if checkpoint in (None, one.id))
        self.training.model.optimizer.learning_rate = 123.0  # what is restored must not come from here
        assignment = assign(self.run.id, self.spec, wanted, best, overrides)
        position = resume(self.run, self.store, assignment, self.training.model, list, self.carried)
        self.keeper.begin(self.training.model)
        if overrides is not None:
            self.keeper.rollback.change(position, overrides)
            assert self.keeper.drain(20)
        return self.loop.train(position.step)

    def leave(self) -> None:
        """Pause as the trainer does."""
        decision = self.run.decision
        if decision is None or not decision.improved:
            self.keeper.checkpoint(self.loop.position, "last")
        self.keeper.close()

    def die(self) -> None:
        """Stop as a killed process does, once all pending writes are on disk."""
        assert self.keeper.drain(20)
        raise Killed

    def wait(self, seconds: float) -> None:
        """Move the clock on."""
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
        """Return the step that was the best after three validations."""
        return max(self.validations[:3], key=lambda validation: (validation[1] or 0.0, -validation[0]))[0]

    @property
    def digest(self) -> str:
        return digest_of(*(np.asarray(value) for value in ModelVariables(self.training.model).read()))

    def _watch_validations(self) -> None:
        record = self.run.recorder.record_validation

        def watch(validation: Validation, *rest: Any, **more: Any) -> None:
            self.validations.append((validation.step, validation.value))
            self.recorded.append(validation.pairs)
            record(validation, *rest, **more)

        self.run.recorder.record_validation = watch  # type: ignore[method-assign]

    def _act_at_steps(self) -> None:
        batch_end = self.loop.on_train_batch_end

        def act(batch: int, logs: Any = None) -> None:
            self.at.pop(self.loop._began_at + batch + 1, lambda: None)()
            batch_end(batch, logs)

        self.loop.on_train_batch_end = act  # type: ignore[method-assign]
