"""The Keras callback: `model.fit(…, callbacks=[KeepBest(monitor="val_accuracy", patience=10)])`.

It takes the keywords of Keras' `EarlyStopping`, in their order, and differs where that one loses things: the optimizer
and the random seeds are kept with the weights; NaN is never the best; values are compared as float64; a second `fit`
goes on where the first ended; the best is on disk, checked, while training goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import keras

from keepbest.checkpoint import Store
from keepbest.checkpoint.restore import open_store
from keepbest.contract.base import new_id
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput, MetricMissing
from keepbest.looker import Looker
from keepbest.runs.judge import Judge
from keepbest.runs.run import Run
from keepbest.snapshot import Ring
from keepbest.state import Position, State
from keepbest.stopping import Decision, Mode, parse

#: A run is not over before its best is on disk; a disk that takes longer than this is reported instead.
DRAIN_SECONDS = 600.0

_DEFAULT_MONITOR = "val_loss"
_MODES = ("auto", "min", "max")


class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Keep the best model in memory and on disk, stop when nothing improves, go back when asked.

    Args:
        monitor: Metric to watch. A look is the end of an epoch in which it was measured.
        min_delta: A smaller gain does not end the wait; its sign does not matter. It does not change which is best.
        patience: Looks without improvement before training stops; 0 counts as 1, as in Keras.
        verbose: 1 prints each decision.
        mode: "min", "max", or "auto": the direction that the Keras metric itself declares, else an error.
        baseline: Only a value better than this ends the wait.
        restore_best_weights: Put the best state back when training ends: variables and optimizer.
        start_from_epoch: Earlier epochs are logged, not judged.
        stopper: A policy, as text like "patience(steps=1000)" or in its JSON form, instead of patience, min_delta and
            baseline.
        run: A `keepbest.init(…)` run to report to, whose monitor, mode and stopper count where none is said here; or
            the id of a local run to go on with.
        store: Folder of the checkpoints (default: KEEPBEST_STORE), or False to keep the best in memory only.
        resume: Put the newest checkpoint of `run` back before the first `fit`.
        retention: Which checkpoints stay on disk, `keepbest.contract.policies.RetentionSpec(best=3)`; where it is not
            said, what the run was begun with: the best one and the last one.
        snapshots: Bests held in memory.
        snapshot_memory_bytes: Memory they may take (default: a quarter of what is free).
        n: Examples that a look measures, for the record.
    """

    #: Where training is; kept from one `fit` to the next.
    position = Position()
    stopped_epoch = 0
    _measured = False
    _restored: State | None = None
    _best_epoch: int | None = None
    _look_seconds: float | None = None
    _look_began = 0.0
    _base = 0

    def __init__(
        self,
        monitor: str = _DEFAULT_MONITOR,
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
        resume: bool = False,
        retention: RetentionSpec | None = None,
        snapshots: int = 3,
        snapshot_memory_bytes: int | None = None,
        n: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        if mode not in _MODES:
            raise InvalidInput(f"mode is one of {', '.join(_MODES)}, but got {mode!r}.", field="mode")
        self.monitor, self.verbose = monitor, verbose
        self.restore_best_weights = restore_best_weights
        self._mode, self._start_from_epoch, self._resume = mode, start_from_epoch, resume
        self._n, self._clock = n, clock
        if stopper is None and (patience or min_delta or baseline is not None):
            stopper = _patience(patience, min_delta, baseline)
        self.run = self._make_run(run, parse(stopper) if isinstance(stopper, str) else stopper)
        ring = Ring(snapshots, snapshot_memory_bytes)
        opened = None if store is False else open_store(store)
        self.looker = Looker(self.run, opened, ring=ring, retention=retention)

    # What people read

    @property
    def best(self) -> float | None:
        return self.looker.best[1]

    @property
    def best_step(self) -> int | None:
        return self.looker.best[0]

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the best look, counted from 1; None where it lies in another process."""
        return self._best_epoch

    @property
    def decision(self) -> Decision | None:
        """The decision at the last look."""
        return self.run.decision

    @property
    def wait(self) -> int | None:
        return self.decision.wait if self.decision is not None else None

    @property
    def stop_reason(self) -> str | None:
        """Why training stopped, or None where its epochs ran out."""
        if self.looker.stop is not None:
            return "user"
        return self.decision.reason if self.decision is not None and self.decision.stop else None

    # What Keras calls

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self.looker.stop = None
        if self._resume:
            self._go_on_from_disk()
        self.looker.begin(self.model)
        if self._restored is not None:
            self.looker.branch(self._restored, reset_patience=True)
            self.position, self._restored = self._restored.position, None
        self.looker.forgive(self.position.step)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._base = self.position.step
        self._look_seconds = None
        self.position = Position(self._base, epoch, 0)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        steps = (self.params or {}).get("steps")
        done = batch + 1 if steps is None else min(batch + 1, steps)  # steps_per_execution counts past the end
        step = self._base + done
        self.position = Position(step, self.position.epoch, done)
        if self.run.has_commands:
            self._obey()
        elif self.looker.is_due(step) and done != steps:
            self._take(self.looker.judge_silence(step))

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._look_began = self._clock()

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._look_seconds = self._clock() - self._look_began

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.position = Position(self.position.step, epoch + 1, 0)
        if not self._is_over():
            self._look(epoch, dict(logs or {}))
        if self.run.has_commands:
            self._obey()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        if not self._measured and self.looker.stop is None and self.position.step:
            raise _missing(self.monitor, logs or {}, "No look was taken")
        if self.restore_best_weights:
            self._restored = self.looker.restore_best()
        self.looker.close(DRAIN_SECONDS)

    # Looks

    def _look(self, epoch: int, logs: Mapping[str, Any]) -> None:
        was_validated = not self.monitor.startswith("val_") or self._look_seconds is not None
        value = logs.get(self.monitor)
        if was_validated and value is None and not self._measured:
            raise _missing(self.monitor, logs, "The first look did not measure it")
        self._measured = self._measured or value is not None
        if not was_validated or epoch < self._start_from_epoch:
            self.run.log(logs, self.position.step)
            return
        if not self._mode_is_known:
            self.run.set_mode(direction_of(self.model, self.monitor))
        self._take(self._judge(epoch, None if value is None else float(value), logs))

    def _judge(self, epoch: int, value: float | None, logs: Mapping[str, Any]) -> Decision:
        decision = self.looker.look(
            self.position,
            value,
            n=self._n,
            train=logs.get("loss"),
            metrics=logs,
            epoch=float(epoch + 1),
            seconds=self._look_seconds,
        )
        if decision.improved and decision.best_step == self.position.step:
            self._best_epoch = epoch + 1
        return decision

    def _take(self, decision: Decision) -> None:
        """Do what was decided."""
        if self.verbose:
            print(f"\nkeepbest: {decision.message}")
        if decision.stop:
            self.stopped_epoch = self.position.epoch
            self.model.stop_training = True

    def _obey(self) -> None:
        jump = self.looker.obey(self.position)
        if jump is not None:
            # Keras goes on with its epoch and its data; the base is what makes the steps right.
            self._base = jump.state.step - self.position.batch
            self.position = Position(jump.state.step, self.position.epoch, self.position.batch)
        if self.looker.stop is not None:
            self.stopped_epoch = self.position.epoch
            self.model.stop_training = True

    def _is_over(self) -> bool:
        """Whether training had already been stopped when Keras measured once more."""
        return self.looker.stop is not None or (self.decision is not None and self.decision.stop)

    @property
    def _mode_is_known(self) -> bool:
        return bool(self.run.stopper_state()["policy"])

    # Runs

    def _make_run(self, run: Run | str | None, stopper: Mapping[str, Any] | None) -> Run:
        """Return the run to report to. What is said here wins over what a run was begun with."""
        mode: Mode | None = None if self._mode == "auto" else self._mode
        if not isinstance(run, Run):
            judge = Judge(stopper or _patience(1, 0, None), mode, clock=self._clock)
            return Run(run or new_id(), judge, monitor=self.monitor)
        if self.monitor == _DEFAULT_MONITOR:
            self.monitor = run.monitor
        run.monitor = self.monitor
        if stopper is not None:
            run.judge = Judge(stopper, None, clock=self._clock)
        if mode is not None:
            run.set_mode(mode)
        return run

    def _go_on_from_disk(self) -> None:
        """Put the newest checkpoint of the run back, once."""
        self._resume = False
        loaded = self.looker.store.load_newest(self.run.id) if self.looker.store is not None else None
        if loaded is None:
            return
        state = loaded.resume_into(self.model)
        self.run.set_mode(loaded.manifest.mode or direction_of(self.model, self.monitor))
        self.run.go_on_from(state.stopper)
        self.position = state.position


def _patience(patience: int, min_delta: float, baseline: float | None) -> dict[str, Any]:
    params = {"checks": max(1, patience), "min_delta": abs(min_delta), "baseline": baseline}
    return {"name": "patience", "params": params}


def direction_of(model: Any, monitor: str) -> Mode:
    """Return "min" for a loss, else the direction that the Keras metric declares.

    Raises:
        InvalidInput: The metric declares none; nothing is guessed from its name.
    """
    name = monitor.removeprefix("val_")
    if name == "loss":
        return "min"
    directions = {metric.name: getattr(metric, "_direction", None) for metric in _metrics_of(model)}
    direction = directions.get(name)
    if direction not in ("up", "down"):
        raise InvalidInput(
            f"Keras does not say which way {monitor!r} gets better.",
            field="mode",
            hint="Say mode='max' or mode='min'.",
        )
    return "max" if direction == "up" else "min"


def _metrics_of(model: Any) -> list[Any]:
    found = []
    for metric in model.metrics:
        found.extend([metric, *getattr(metric, "metrics", [])])
    return found


def _missing(monitor: str, logs: Mapping[str, Any], what: str) -> MetricMissing:
    names = ", ".join(sorted(logs)) or "none"
    hint = "Name one of them as monitor."
    if monitor.startswith("val_") and not any(name.startswith("val_") for name in logs):
        hint = "Give fit() validation_data: without it nothing is validated."
    return MetricMissing(
        f"{what}: {monitor!r} is not among the metrics there are: {names}.", field="monitor", hint=hint
    )
