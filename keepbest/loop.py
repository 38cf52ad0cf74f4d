"""A training loop of the user's own: its steps are counted, its best is kept, commands are obeyed between two steps.

with keepbest.init(project="digits", monitor="val_accuracy", mode="max") as run:
    loop = keepbest.Loop(run, {"w": w, "b": b}, optimizer)
    for step in loop:
        train_one_step()
        if step % 100 == 0:
            loop.report_validation(step, validate())
    loop.roll_back()
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.restore import open_store
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput
from keepbest.model.variables import TrainedObject
from keepbest.renamed import refuse_method
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import Position, State
from keepbest.stopping import Decision, read_pairs
from keepbest.tracking.run import Run
from keepbest.tracking.validations import make_validation
from keepbest.training.keeper import BestKeeper
from keepbest.training.resume import resume as go_on

#: A run is not over before its best is on disk; a disk that takes longer is reported instead.
DRAIN_SECONDS = 600.0
#: At a validation, the state is written as `last` when nothing was written for so long: about what a crash costs.
CHECKPOINT_SECONDS = 30.0


class Loop:
    """Keep the best of a loop in memory and on disk, stop when nothing improves, go back when asked.

    Iterate over it to get the number of each step to train, 1, 2, 3 …, until something stops the loop. After a roll
    back the iteration goes on from the step that the loop went back to. If you count steps yourself, call
    `report_validation` and then read `step` and `stopped`.

    Args:
        run: What `keepbest.init(…)` returned; its stopper judges the validations.
        kept: What is trained: a Keras model, a `tf.Module`, variables, random generators, or a dict or list of these.
        optimizers: The optimizers that move `kept`; the one of a compiled model is known.
        store: Folder of the checkpoints (default: KEEPBEST_STORE), or False to keep the best in memory only.
        resume: Go on from the checkpoint that the run goes on from, or else its newest; a new run has none.
        retention: Which checkpoints stay on disk. Default: what the run was begun with.
        snapshots: Number of bests held in memory.
        snapshot_memory: What they may take: bytes, "2GB", or "25%" of the free memory (the default).
        carry: What else decides later steps, and goes back and on with them: NumPy generators
            (`np.random.default_rng()`), and objects of yours whose attributes are JSON.
        writes_bests: Write each best, in the background; False writes only what `checkpoint` is called for.
        strict: Raise if a part of `kept` cannot be captured, instead of a warning.

    Raises:
        InvalidInput: Nobody knows which way is better, `kept` holds no variables, or an item of `carry` cannot be
            saved.
        CheckpointIncomplete: `strict`, or the checkpoint to go on from lacks a part.
        CheckpointMismatch: The checkpoint to go on from is of other variables or generators; the message names every
            difference.

    Example:
        >>> import keepbest, tensorflow as tf
        >>> w = tf.Variable([1.0])
        >>> with keepbest.init(monitor="val_loss", stopper="patience(checks=2)") as run:
        ...     loop = keepbest.Loop(run, {"w": w})
        ...     for step in loop:
        ...         _ = w.assign_sub([0.3])
        ...         decision = loop.report_validation(step, abs(float(w[0])))
        ...     state = loop.roll_back()
        >>> loop.best_step, round(float(w[0]), 1)
        (3, 0.1)
    """

    def __init__(
        self,
        run: Run,
        kept: Any,
        *optimizers: Any,
        store: Store | Path | str | Literal[False] | None = None,
        resume: bool = True,
        retention: RetentionSpec | None = None,
        snapshots: int = 3,
        snapshot_memory: int | str | None = None,
        carry: Sequence[Any] = (),
        writes_bests: bool = True,
        strict: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.run = run
        #: The step whose training was begun last; a roll back sets it back.
        self.step = 0
        self._restored: State | None = None
        self._clock = clock
        self._written_at = clock()
        opened = None if store is False else open_store(store)
        buffer = SnapshotBuffer(snapshots, snapshot_memory)
        self._carried = _check_carried(CarriedState(carry))
        self.keeper = BestKeeper(
            run,
            opened,
            buffer=buffer,
            retention=retention,
            writes_bests=writes_bests,
            carried=self._carried,
            strict=strict,
        )
        # A run that nobody ends, or a loop that nobody needs any more: what waits is written all the same.
        weakref.finalize(self, self.keeper.close, DRAIN_SECONDS)
        living = self.keeper.begin(kept if isinstance(kept, VariableSet) else _check(TrainedObject(kept, optimizers)))
        if resume and opened is not None:
            self._resume(opened, living)
        run.know_mode()
        run.before_end(self.close)

    if not TYPE_CHECKING:  # a type checker finds an old name by itself

        def __getattr__(self, name: str) -> Any:
            raise refuse_method(self, name)

    # What people read

    @property
    def stopped(self) -> bool:
        """Whether the loop is to end: the stopper decided so, or somebody asked for it."""
        return self.run.decision is not None and self.run.decision.stop

    @property
    def store(self) -> Store | None:
        """Where the checkpoints go."""
        return self.keeper.store

    @property
    def best_step(self) -> int | None:
        return self.keeper.best[0]

    @property
    def best_value(self) -> float | None:
        return self.keeper.best[1]

    # Training

    def __iter__(self) -> Iterator[int]:
        """Give the number of each step to train. Iterating anew goes on; after a stop, only a roll back lets it."""
        self._branch()
        while not self.stopped:
            self._branch()
            self.step += 1
            yield self.step
            self.run.beat()
            self._obey()
            if self.keeper.is_due(self.step):
                self.keeper.judge_silence(self.step)

    def report_validation(
        self,
        step: int,
        value: float | None,
        n: int | None = None,
        *,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        epoch: float | None = None,
        seconds: float | None = None,
        correct: Any = None,
        losses: Any = None,
    ) -> Decision:
        """Judge a validation after `step`, keep the state if it is the best, record both, and do what was asked.

        `n` is on how many examples, `train` the training loss, `metrics` what else was measured, `seconds` how long
        that took. For `paired_noise`, `correct` is whether each example was right (a vector of bools), or `losses` the
        loss of each. A stop that somebody asked for counts as one.
        """
        told: dict[str, Any] = {"train": train, "metrics": metrics, "epoch": epoch, "duration_seconds": seconds}
        validation = make_validation(step, value, n, **told, pairs=read_pairs(correct, losses))
        self._branch()
        self.step = step
        decision = self.keeper.report_validation(Position(step), validation)
        if decision.improved:
            self._written_at = self._clock()
        elif self._clock() - self._written_at >= CHECKPOINT_SECONDS:
            self.keeper.checkpoint(Position(step), "last")
            self._written_at = self._clock()
        self._obey()
        return self.run.decision if self.stopped and self.run.decision is not None else decision

    def checkpoint(self, step: int | None = None) -> Manifest:
        """Put the present state on disk, as that of `step` where it is named; it is durable when this returns.

        Raises:
            NotFound: The loop has no store.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        self._branch()
        self.step = self.step if step is None else step
        return self.keeper.write(Position(self.step))

    def roll_back(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Put a state back, the best one if none is named: variables, optimizers, random states, step; return it.

        Where training goes on after it, it does so from there, with fresh patience, in a new segment of the run.

        Raises:
            NotFound: Nothing was kept of it.
            CheckpointMismatch: The variables have changed since.
        """
        self._restored = self.keeper.rollback.put_back(step=step, checkpoint=checkpoint)
        self.step = self._restored.step
        return self._restored

    def close(self) -> bool:
        """Wait until everything is on disk; return whether it is. The end of the run does this."""
        return self.keeper.close(DRAIN_SECONDS)

    def _resume(self, store: Store, living: VariableSet) -> None:
        state = go_on(self.run, store, living, self._carried)
        if state is not None:
            self.step = state.step
        if self.run.opening.overrides is not None:
            self.keeper.rollback.change(Position(self.step), self.run.opening.overrides)

    def _branch(self) -> None:
        """Say that training goes on from where it was rolled back to."""
        restored, self._restored = self._restored, None
        if restored is not None:
            self.keeper.stop = None
            self.keeper.rollback.branch(restored, Overrides(reset_patience=True))

    def _obey(self) -> None:
        jump = self.keeper.obey(Position(self.step)) if self.run.commands else None
        if jump is not None:
            self.step = jump.state.step


def _check_carried(carried: CarriedState) -> CarriedState:
    """Nothing here reports what is lost, as a fit does: so nothing may be."""
    lost = carried.find_lost()
    if lost:
        raise InvalidInput(f"What cannot be carried, since it is not JSON: {', '.join(lost)}.", field="carry")
    return carried


def _check(trained: TrainedObject) -> TrainedObject:
    trained.check()
    return trained
