"""Trains a run in stretches of `model.fit` between validations, and acts at each batch and each validation.

A Keras "epoch" is one stretch between two validations. A roll back ends the present `fit`; the next one starts from the
new position with the functions that are already traced.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import keras

from keepbest.contract.runs import RunSpec
from keepbest.errors import MetricMissing
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.state import Position
from keepbest.status import CommandKind
from keepbest.stopping import Decision, Pairs
from keepbest.tracking.run import Run
from keepbest.tracking.validations import make_validation
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.fit.batch_loss import BatchLoss
from keepbest.training.metrics import flatten
from keepbest.training.monitor import direction_of
from keepbest.training.spec import Training
from worker.trainer.batches import BatchSource, DataOrder
from worker.trainer.check_monitor import advise
from worker.trainer.evaluate import Measured, Probe
from worker.trainer.hidden_random_state import find_random_operations
from worker.trainer.user_callbacks import Brought

#: A validation writes the state as `last` if nothing was written for so long: a crash then costs about so much.
CHECKPOINT_SECONDS = 30.0
#: The same time between two validations that lie far apart. A resume there loses the running mean of the training loss.
LONG_STRETCH_SECONDS = 120.0
#: How often a run reports its step between validations.
PROGRESS_SECONDS = 2.0
_ENDLESS = 2**31
#: What the data do after a recovery.
REORDERED = "Another order of the data follows."
WENT_ON = "The data go on behind the broken batch."


class Ending(Enum):
    """Why the loop ended."""

    STOPPED = "the stopper decided"
    ASKED = "somebody asked to stop"
    CANCELLED = "somebody cancelled the run"
    HANDED_BACK = "the worker leaves"
    PAUSED = "it waits at a rung of its sweep"
    SET_ASIDE = "somebody asked to pause"
    CALLBACK = "a callback of the training stopped it (model.stop_training)"


#: What commands end the loop with, other than a stop.
_ENDINGS = {CommandKind.CANCEL: Ending.CANCELLED, CommandKind.PAUSE: Ending.SET_ASIDE}


class _Beats(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Gives a sign of life at each batch of a validation."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._run.beat()


class TrainingLoop(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Trains until something ends the training. Any thread may set `hand_back` at any time."""

    def __init__(
        self,
        training: Training,
        feed: BatchSource,
        keeper: BestKeeper,
        spec: RunSpec,
        hand_back: threading.Event,
        carried: CarriedState | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.step = 0
        self._training = training
        self._feed = feed
        self._keeper = keeper
        self._carried = carried or CarriedState()
        self._run = keeper.run
        self._spec = spec
        self._hand_back = hand_back
        self._clock = clock
        self.gauge = Probe(training, [_Beats(keeper.run)])
        self._ending: Ending | None = None
        self._measured: Measured | None = None
        self._fits = 0
        self._known: Any = None
        self._began_at = 0
        self._rolled_back = False
        self._is_first_step = True
        self._is_searched = False
        self._written_at = self._said_at = clock()
        self._losses = BatchLoss.of(keeper.run)
        keeper.recovery.data = REORDERED if feed.reorders else WENT_ON

    @property
    def position(self) -> Position:
        per_epoch = self._feed.batches_per_epoch
        if not per_epoch:
            return Position(self.step)
        epoch = int(self.step / per_epoch)
        return Position(self.step, epoch, int(self.step - epoch * per_epoch))

    def train(self, step: int) -> Ending:
        """Train from `step` on until something ends the training."""
        self.step = step
        self._end_if_due()
        self._keeper.recovery.begin(self.position)
        while self._ending is None:
            self._rolled_back = False
            self._fit_stretches()
            is_ours = self._rolled_back or self.step == self._run.stopper.max_steps
            if self._ending is None and not is_ours and self._training.model.stop_training:
                self._ending = Ending.CALLBACK
            self._end_if_due()
        return self._ending

    # What Keras calls

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the state of the callbacks, which reset themselves at each `fit`."""
        if self._known is not None:
            self._carried.restore(self._known)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._began_at = self.step
        if self._losses is not None:
            self._losses.begin(self.model)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step = self._began_at + batch + 1
        if self._is_first_step:  # Keras builds optimizers in the first step
            self._is_first_step = False
            self._keeper.live.follow()
        self._run.beat()
        loss = self._losses.read(logs) if self._losses is not None else None
        if loss is not None and (decision := self._keeper.recovery.judge_batch(self.position, loss)) is not None:
            self._follow(decision)
        if self._run.commands:
            self._obey()
        self._take_note()
        if self._ending is not None or self._rolled_back or self.step == self._run.stopper.max_steps:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if not self._is_searched:
            self._search_step()
        if self.is_validation_due:
            self._validate(flatten(logs or {}))
        if self._ending is not None or self._rolled_back:
            self.model.stop_training = True

    # Stretches

    def _fit_stretches(self) -> None:
        """Call `fit` up to the next validation if the position lies between two, else from validation to validation."""
        every, training = self._spec.validate_every, self._training
        first, begun = every - self.step % every, self.step // every
        self._known = self._carried.capture() if self._fits or self.step else None
        self._fits += 1
        is_weighed = isinstance(training.train, keras.utils.PyDataset)  # the feed weighs it: Keras weighs no generator
        training.model.fit(
            self._feed.batches_from(self.step, DataOrder.after(self._run.stopper.recoveries)),
            steps_per_epoch=first,
            initial_epoch=begun,
            epochs=begun + 1 if first != every else _ENDLESS,
            class_weight=None if is_weighed else training.class_weight,
            shuffle=False,
            verbose=training.verbose,
            callbacks=[*([Brought(self, training.callbacks)] if training.callbacks else []), self],
        )

    def _search_step(self) -> None:
        """Report once, after the first stretch, random operations in the step whose state no checkpoint holds."""
        self._is_searched = True
        if names := find_random_operations(self.model):
            note = f"The network draws from hidden counters ({', '.join(names)}), which nothing can put back; "
            note += "keras.random and tf.random.Generator draw from variables."
            self._run.recorder.report(resume="approximate", resume_note=" ".join(filter(None, [self._feed.note, note])))

    def _end_if_due(self) -> None:
        """End if nothing is left to train, by a decision before a crash or before the position of a roll back."""
        if self._ending is None and self._keeper.is_due(self.step):
            self._keeper.judge_silence(self.step)
            self._ending = Ending.STOPPED
        elif self._ending is None and self._run.stopper.rung is not None:
            self._ending = Ending.PAUSED

    @property
    def is_validation_due(self) -> bool:
        """Whether the end of this stretch is a validation."""
        is_ended = self._rolled_back or self._ending in (Ending.STOPPED, Ending.CANCELLED)
        return self._is_validation_due and not is_ended

    @property
    def _is_validation_due(self) -> bool:
        return self.step % self._spec.validate_every == 0 or self.step == self._run.stopper.max_steps

    def _take_note(self) -> None:
        """End the training between validations if the worker leaves, or if the stopper's patience runs out."""
        if self._hand_back.is_set() and self._ending is not Ending.SET_ASIDE:
            self._ending = Ending.HANDED_BACK
        elif self._ending is None and not self._is_validation_due and self._keeper.is_due(self.step):
            if self._keeper.judge_silence(self.step).stop:
                self._ending = Ending.STOPPED
                self._say_step()
        elif self._clock() - self._said_at >= PROGRESS_SECONDS:
            self._say_step()
            self._write_last_after(LONG_STRETCH_SECONDS)

    def _say_step(self) -> None:
        self._said_at = self._clock()
        self._run.recorder.report(step=self.step, epoch=self._feed.epoch_at(self.step))

    def _obey(self) -> None:
        roll_back = self._keeper.obey(self.position)
        if roll_back is not None:
            self.step = roll_back.state.step
            self._rolled_back = True
        if self._keeper.stop is not None:
            self._ending = _ENDINGS.get(self._keeper.stop, Ending.ASKED)

    # Validations

    def foresee(self, logs: Any) -> None:
        """Measure before the user's callbacks act, and put the metrics into their logs."""
        with self._keeper.live.measured():
            self._measured = self.gauge.measure(self.model)
        logs.update(self._measured.values)

    def _validate(self, trained: dict[str, float]) -> None:
        began = self._clock()
        with self._keeper.live.measured():
            measured, self._measured = self._measured or self.gauge.measure(self.model), None
            metrics = {**trained, **measured.values}
            value = self._get_value(metrics)
            pairs: Pairs | None = None
            if self._run.stopper.needs_pairs:
                with self._run.life.slowly():
                    pairs = self.gauge.compare(self.model, self._run.monitor, value, self._run.stopper.policy.mode)
        with self._run.life.slowly():
            validation = make_validation(
                self.step,
                value,
                measured.n,
                train=trained.get("loss"),
                metrics=metrics,
                epoch=self._feed.epoch_at(self.step),
                duration_seconds=self._clock() - began,
                pairs=pairs,
            )
            decision = self._keeper.report_validation(self.position, validation)
        self._said_at = self._clock()
        if decision.stop or decision.goes_back is not None:
            self._follow(decision)
        elif self._ending is None and self._run.stopper.rung is not None:
            self._ending = Ending.PAUSED
        elif decision.improved:
            self._written_at = self._clock()
        else:
            self._write_last_after(CHECKPOINT_SECONDS)

    def _follow(self, decision: Decision) -> None:
        """Do as decided where training is broken, or ends: go on where it went back to, or stop."""
        roll_back = self._keeper.recovery.take()
        if roll_back is not None:
            self.step, self._rolled_back = roll_back.state.step, True
        elif decision.stop:
            self._ending = Ending.STOPPED

    def _write_last_after(self, seconds: float) -> None:
        if self._clock() - self._written_at >= seconds:
            self._keeper.checkpoint(self.position, "last")
            self._written_at = self._clock()

    def _get_value(self, metrics: Mapping[str, float]) -> float:
        monitor = self._run.monitor
        if monitor not in metrics:
            raise MetricMissing(
                f"There is no metric {monitor!r}; there are {', '.join(sorted(metrics))}.",
                field="monitor",
                hint=advise(monitor, metrics),
            )
        if self._run.stopper.mode is None:
            self._run.set_mode(direction_of(self.model, monitor))
        return metrics[monitor]
