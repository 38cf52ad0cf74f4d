"""The Keras callback: `model.fit(…, callbacks=[KeepBest(monitor="val_accuracy", patience=10)])`."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from keepbest.checkpoint import Store
from keepbest.contract.commands import RollBackRequest
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.contract.validate import request
from keepbest.snapshots.state import Position, State
from keepbest.status import StopReason
from keepbest.stopping import Decision, Pairs, Unpaired
from keepbest.tracking.process.exit import watch
from keepbest.tracking.run import Run
from keepbest.tracking.validations import make_validation
from keepbest.training.fit.batch_count import BatchCounter
from keepbest.training.fit.batch_loss import BatchLoss
from keepbest.training.fit.doubts import Doubts
from keepbest.training.fit.nested_callbacks import Carrying
from keepbest.training.fit.runs_by_model import DEFAULT_MONITOR, patient, plan
from keepbest.training.fit.save_freq import SaveFrequency
from keepbest.training.fit.swapped_weights import Swaps
from keepbest.training.metrics import Monitored, flatten
from keepbest.training.monitor import direction_of
from keepbest.training.per_example import ValidationExamples
from keepbest.training.reference_examples import of_validation
from keepbest.training.resume import FitResume
from keepbest.training.rollback import RollBack

#: How long the end of a run waits until its best is on disk; the run reports a disk that takes longer.
DRAIN_SECONDS = 600.0

#: Attributes that a copy does not take over: the copy, or Keras, makes its own.
_OF_ONE_RUN = {"run", "keeper", "swaps", "position", "stopped_epoch", "_monitored", "_closing", "_restored", "_epochs"}
_OF_ONE_RUN |= {"_losses", "_counter", "_doubts", "_resume", "_begins_late", "_is_first_step", "_model", "params"}


class KeepBest(Carrying):
    """Keep the best model in memory and on disk, stop when nothing improves, roll back when asked.

    Args:
        monitor: Metric to watch. A validation is the end of an epoch in which this metric was measured.
        min_delta: A smaller gain does not end the wait; the sign does not matter. It does not change which is best.
        patience: Validations without improvement before training stops; 0 counts as 1, as in Keras.
        verbose: 1 prints each decision.
        mode: "min", "max", or "auto": the direction that the Keras metric itself declares, else an error.
        baseline: Only a value better than this ends the wait.
        restore_best_weights: Put the best state back when training ends: variables and optimizer.
        start_from_epoch: The run logs epochs before this one, and does not judge them.
        stopper: A policy, "patience(steps=1000)" or its JSON form, instead of patience, min_delta and baseline.
        run: The run that `keepbest.init(…)` returned, to report to; or the id of a local run to go on with.
        store: Folder of the checkpoints (default: KEEPBEST_STORE), or False to keep the best in memory only.
        resume: Begin with the newest checkpoint of `run`. Default: if an earlier process began the run.
        retention: Which checkpoints stay on disk, `RetentionSpec(best=3)`. Default: the retention of `run`.
        save_freq: Also write the present state after each "epoch", or each so many batches, as `ModelCheckpoint` does.
        initial_value_threshold: Keep nothing until a value is better than this.
        snapshots: Number of bests held in memory.
        snapshot_memory: Memory that they may take: bytes, "2GB", or "25%" of the free memory (the default).
        n: Number of examples that a validation measures, for the record.
        validation: The arrays (x, y) of `validation_data`, for `paired_noise`: Keras shows them to no callback.
        carry: Callbacks (leave these out of fit's list) and NumPy generators whose state goes into every snapshot.
        strict: Raise before the first step if keepbest cannot capture a part of the model, instead of a warning.
        panels: Examples (x, y), or a dataset of them, for pictures of the model while it trains.
        keep_examples: Number of examples of `validation` kept with each checkpoint, for `restore(…, check=True)`.

    Raises:
        InvalidInput: An argument is wrong. In `fit`, CheckpointError: the checkpoint to go on from does not fit.

    Example:
        >>> import keepbest, keras, numpy as np
        >>> x, y = np.zeros((8, 1)), np.ones((8, 1))
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> kept = keepbest.KeepBest("val_loss", patience=2, store="checkpoints")
        >>> history = model.fit(x, y, validation_data=(x, y), epochs=5, verbose=0, callbacks=[kept])
        >>> kept.best == min(history.history["val_loss"])
        True
    """

    #: The position of training, kept from one `fit` to the next.
    position = Position()
    #: The epoch in which training stopped, counted from 0 as Keras does; 0 if its epochs ran out.
    stopped_epoch = 0
    _restored: State | None = None
    _validation_seconds: float | None = None
    _validation_began = 0.0
    _base = 0
    _epoch = 0
    _begins_late = False
    _is_first_step = False

    def __init__(
        self,
        monitor: str = DEFAULT_MONITOR,
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        *,
        stopper: Mapping[str, Any] | str | None = None,
        run: Run | str | None = None,
        store: Store | Path | str | Literal[False] | None = None,
        resume: bool | None = None,
        retention: RetentionSpec | None = None,
        save_freq: Literal["epoch"] | int | None = None,
        initial_value_threshold: float | None = None,
        snapshots: int = 3,
        snapshot_memory: int | str | None = None,
        n: int | None = None,
        validation: Any = None,
        carry: Sequence[Any] = (),
        strict: bool = False,
        panels: Any = None,
        keep_examples: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(carry)
        self.verbose, self.restore_best_weights = verbose, restore_best_weights
        self._start_from_epoch, self._threshold = start_from_epoch, initial_value_threshold
        self._examples = ValidationExamples(validation) if validation is not None else None
        self._n = n if n is not None or self._examples is None else self._examples.n
        self._clock = clock
        self._saving = SaveFrequency(save_freq)
        if stopper is None and (patience or min_delta or baseline is not None):
            stopper = patient(patience, min_delta, baseline)
        kept: dict[str, Any] = {"retention": retention, "references": of_validation(validation, keep_examples)}
        kept |= {"snapshots": snapshots, "snapshot_memory": snapshot_memory, "strict": strict}
        maker = plan(monitor, mode, stopper, store, panels, clock=clock, **kept)
        self._maker, first = maker.begin(run)
        self.monitor = first.monitor
        self._begin_run(first, resume=bool(first.opening.goes_on) if resume is None else resume)

    def _begin_run(self, run: Run, *, resume: bool = False) -> None:
        """Begin a run without a best and at step 0."""
        self.run = run
        self.keeper = keeper = self._maker.equip(run, self.carried)
        self._monitored = Monitored(run.monitor)
        self._resume = FitResume(run, self.carried, is_due=resume)
        self.swaps = keeper.live.swaps = Swaps(self.carried.callbacks, lambda: keeper.live.found)
        self.position, self._restored = Position(), None
        #: From the step of each best validation to its epoch, counted from 1.
        self._epochs: dict[int | None, int] = {}
        self._doubts, self.goes_on = Doubts(run, self.carried), False
        self._losses = BatchLoss.of(run)
        keeper.recovery.data = "The data of this fit go on where they are."
        run.before_end(lambda: keeper.close(DRAIN_SECONDS))
        # After an interrupted fit the best is written all the same, at the latest when the script ends.
        self._closing = weakref.finalize(self, keeper.close, DRAIN_SECONDS)

    def __getstate__(self) -> dict[str, Any]:
        """Return the configuration: a copy trains another model, in a run of its own."""
        return {name: value for name, value in vars(self).items() if name not in _OF_ONE_RUN}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_run(self._maker.make())

    # Results

    @property
    def best(self) -> float | None:
        return self.keeper.best[1] if self.best_step is not None else None

    @property
    def best_step(self) -> int | None:
        return self.keeper.best[0]

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best validation, counted from 1; None if another process trained it."""
        return self._epochs.get(self.best_step)

    @property
    def decision(self) -> Decision | None:
        """The decision at the last validation."""
        return self.run.decision

    @property
    def wait(self) -> int | None:
        return self.decision.wait if self.decision is not None else None

    @property
    def stop_reason(self) -> str | None:
        """Why training stopped, or None if its epochs ran out."""
        return self.decision.reason if self.decision is not None and self.decision.stop else None

    # Going back

    def roll_back(
        self,
        *,
        step: int | None = None,
        checkpoint: str | None = None,
        learning_rate: float | str | None = None,
        max_steps: int | None = None,
        reset_patience: bool = False,
    ) -> None:
        """Roll back now, to the best unless a step or a checkpoint is named; training goes on from there.

        Call it between two `fit`s, or from another callback: this cancels even a stop that was just decided.
        `learning_rate` is a number, or as text ("0.1x") a multiple of the rate there; `max_steps` is the new last step.

        Raises NotFound if no such state is kept, InvalidInput for an impossible change; then nothing changes.
        """
        changes = {"learning_rate": learning_rate, "max_steps": max_steps, "reset_patience": reset_patience}
        roll_back_request = request(RollBackRequest, step=step, checkpoint=checkpoint, **changes)
        self._turn_to_model()
        was_over = self._is_over()
        self.keeper.begin(self.model)
        self._follow(self.keeper.rollback.roll_back(roll_back_request), was_over)
        if not self.run.is_fitting:
            self.keeper.close(DRAIN_SECONDS)

    # What Keras calls

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._turn_to_model()
        super().on_train_begin(logs)
        self._doubts.report()
        watch()
        self.keeper.stop, self.run.is_fitting = None, True
        self.stopped_epoch = 0
        is_resumed = self._go_on_from_disk()
        self._saving.begin(self.position.step)
        self._begins_late, self._is_first_step = not self.model.built, True
        if self._begins_late:  # Keras makes the variables in the first step: there is nothing to read before
            return
        self.keeper.begin(self.model)
        if is_resumed and self.run.opening.overrides is not None:
            self.keeper.rollback.change(self.position, self.run.opening.overrides)
        if self._restored is not None:
            self.carried.restore(self._restored.callbacks)
            self.keeper.rollback.branch(self._restored, Overrides(reset_patience=not is_resumed))
            self.position, self._restored = self._restored.position, None
        self.run.lift_stop(self.position.step)
        self.keeper.recovery.begin(self.position)
        self.keeper.paint_start(self.position)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        steps = (self.params or {}).get("steps")
        self.position = self._resume.settle(epoch, self.position, steps)
        self._base, self._epoch = self.position.step, epoch
        self._counter = BatchCounter(self.model, steps)
        self._validation_seconds = None
        self.position = Position(self._base, epoch, 0)
        if self._losses is not None:
            self._losses.begin(self.model)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        self.run.beat()
        done = self._counter.count(batch)
        step = self._base + done
        self.position = Position(step, self.position.epoch, done)
        if self._begins_late:  # the first step has just built the model
            self._begins_late = False
            self.keeper.begin(self.model)
            self.keeper.recovery.begin(self.position)
            self.keeper.paint_start(self.position)
        elif self._is_first_step:  # Keras builds optimizers in the first step
            self.keeper.live.follow()
        self._is_first_step = False
        loss = self._losses.read(logs) if self._losses is not None else None
        if loss is not None and (decision := self.keeper.recovery.judge_batch(self.position, loss)) is not None:
            return self._take(decision)
        if self.run.commands:
            self._obey()
        elif self.keeper.is_due(step) and done != self._counter.steps:
            self._take(self.keeper.judge_silence(step))
        self._save(ends_epoch=False)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_test_begin(logs)
        self._validation_began = self._clock()

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_test_batch_end(batch, logs)
        self.run.beat()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_test_end(logs)
        self._validation_seconds = self._clock() - self._validation_began

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, logs)
        self._doubts.report()
        self.position = Position(self.position.step, epoch + 1, 0)
        if not self._is_over():
            self._validate(epoch, dict(logs or {}))
        elif not self.model.stop_training and self.decision:  # a best withdrawn since the last validation stops the run
            self._take(self.decision)
        if self.run.commands:
            self._obey()
        self._save(ends_epoch=True)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_end(logs)
        fault = self._monitored.find_fault(logs or {}) if not self._resume.end() else None
        if fault is not None and self.best is None and not self._is_over() and self.position.step:
            raise fault
        self.keeper.paint_end(self.position)
        if self.restore_best_weights or self.stop_reason == StopReason.UNRECOVERABLE:
            self._restored = self.keeper.restore_best()
        self.keeper.close(DRAIN_SECONDS)
        self.run.is_fitting = False

    def _save(self, *, ends_epoch: bool) -> None:
        """Write the present state if `save_freq` asks for it, unless it is written as the best."""
        if self._saving.is_due(self.position.step, self.best_step, ends_epoch=ends_epoch):
            self.keeper.checkpoint(self.position, "last")

    # Validations

    def _validate(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Judge an epoch in which the monitored metric was measured, by Keras or by another callback."""
        logs = logs if self._losses is None else self._losses.leave_out_empty(logs)
        value = self._monitored.read(logs, was_validated=self._validation_seconds is not None)
        logs = flatten(logs)
        if value is None or epoch < self._start_from_epoch:
            self.run.recorder.log(logs, self.position.step)
            return
        if self.run.stopper.mode is None:
            self.run.set_mode(direction_of(self.model, self.monitor))
        if self._threshold is not None and self.best_step is None:
            self.run.stopper.remember_best(None, self._threshold)
        self._take(self._judge(epoch, value, logs))

    def _judge(self, epoch: int, value: float, logs: Mapping[str, Any]) -> Decision:
        more: dict[str, Any] = {"train": logs.get("loss"), "metrics": logs, "epoch": float(epoch + 1)}
        more["pairs"] = self._compare(value) if self.run.stopper.needs_pairs else None
        step, seconds = self.position.step, self._validation_seconds
        validation = make_validation(step, value, self._n, **more, duration_seconds=seconds)
        decision = self.keeper.report_validation(self.position, validation)
        if decision.improved and decision.best_step == self.position.step:
            self._epochs[self.position.step] = epoch + 1
        return decision

    def _compare(self, value: float) -> Pairs:
        if self._examples is None:
            return Unpaired("KeepBest was given no validation=(x, y)")
        return self._examples.compare(self.model, self.monitor, value, self.run.stopper.policy.mode)

    def _take(self, decision: Decision) -> None:
        """Print the decision if `verbose`, unless a card shows it; go on where it went back to; stop if it says so."""
        if self.verbose and not self.run.card.is_shown:
            print(f"\nkeepbest: {decision.message}")
        if (roll_back := self.keeper.recovery.take()) is not None:
            self._follow(roll_back, was_over=False)
        if decision.stop:
            self.stopped_epoch = self._epoch
            self.model.stop_training = True

    def _obey(self) -> None:
        was_over = self._is_over()
        if (roll_back := self.keeper.obey(self.position)) is not None:
            self._follow(roll_back, was_over)
        if self.keeper.stop is not None:
            self.stopped_epoch = self._epoch
            self.model.stop_training = True

    def _follow(self, roll_back: RollBack, was_over: bool) -> None:
        """Set the step back. Keras goes on with its epoch and its data, so the base of the steps changes."""
        self._base = roll_back.state.step - self.position.batch
        self.position = Position(roll_back.state.step, self.position.epoch, self.position.batch)
        self._restored = None
        if self._losses is not None:
            self._losses.go_back()
        if was_over:  # the roll back cancels the stop
            self.model.stop_training = False

    def _is_over(self) -> bool:
        """Whether a decision or a command has stopped training; Keras may still measure once more."""
        return self.keeper.stop is not None or (self.decision is not None and self.decision.stop)

    def _turn_to_model(self) -> None:
        """Begin another run if the model is not the one that this run trains."""
        if not self.keeper.live.may_train(self.model):
            self._closing()
            self._begin_run(self._maker.make())

    def _go_on_from_disk(self) -> bool:
        """Put back the checkpoint from which this fit goes on; return whether there is one."""
        state = self._resume.begin(self.keeper.store, self.model)
        if state is None:
            return False
        self._restored = state if self.position.step > state.step else None
        self.position = state.position
        return True
