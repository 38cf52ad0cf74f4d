"""Keeps the best of a training loop of the user's own, counts its steps, and obeys commands between two steps.

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
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.resume import resume as go_on

#: How long the end of a run waits until its best is on disk; the run reports a disk that takes longer.
DRAIN_SECONDS = 600.0
#: A validation writes the state as `last` if nothing was written for so long: a crash then costs about so much.
CHECKPOINT_SECONDS = 30.0


class Loop:
    """Keep the best of a loop in memory and on disk, stop when nothing improves, roll back when asked.

    Iterate over it to get the number of each step to train, 1, 2, 3 …, until something stops the loop. After a roll
    back the iteration goes on from the step that the loop went back to. If you count steps yourself, call
    `report_validation` and then read `step` and `stopped`.

    Args:
        run: The run that `keepbest.init(…)` returned; its stopper judges the validations.
        kept: A Keras model, a `tf.Module`, variables, random generators, or a dict or list of these.
        optimizers: The optimizers that train `kept`; keepbest finds the one of a compiled model.
        store: Folder of the checkpoints (default: KEEPBEST_STORE), or False to keep the best in memory only.
        resume: Go on from the checkpoint that the tracker names, or else the run's newest; a new run has none.
        retention: Which checkpoints stay on disk. Default: the retention of `run`.
        snapshots: Number of bests held in memory.
        snapshot_memory: Memory that they may take: bytes, "2GB", or "25%" of the free memory (the default).
        carry: Further state that affects later steps and belongs into every snapshot: NumPy generators
            (`np.random.default_rng()`), and objects of yours whose attributes are JSON.
        writes_bests: Write each best, in the background; with False only `checkpoint` writes.
        strict: Raise if keepbest cannot capture a part of `kept`, instead of a warning.

    Raises:
        InvalidInput: The mode of the monitor is unknown, `kept` holds no variables, or an item of `carry` cannot be
            saved.
        CheckpointIncomplete: `strict`, or the checkpoint to go on from lacks a part.
        CheckpointMismatch: The checkpoint to go on from has other variables or generators; the message names every
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
        #: The step that the loop trains, or trained last; a roll back sets it back.
        self.step = 0
        self._restored: State | None = None
        self._clock = clock
        self._written_at = clock()
        opened = None if store is False else open_store(store)
        buffer = SnapshotBuffer(snapshots, snapshot_memory)
        self._carried = CarriedState(carry)
        if lost := self._carried.find_lost():  # a Loop, unlike a fit, cannot report state that it loses
            raise InvalidInput(f"These cannot be carried, since they are not JSON: {', '.join(lost)}.", field="carry")
        self.keeper = BestKeeper(
            run,
            opened,
            buffer=buffer,
            retention=retention,
            writes_bests=writes_bests,
            carried=self._carried,
            strict=strict,
        )
        # If the run is never finished, or the loop is garbage-collected, waiting checkpoints are still written.
        weakref.finalize(self, self.keeper.close, DRAIN_SECONDS)
        if not isinstance(kept, VariableSet):
            kept = TrainedObject(kept, optimizers)
            kept.check()
        living = self.keeper.begin(kept)
        if resume and opened is not None:
            self._resume(opened, living)
        run.know_mode()
        run.before_end(self.close)

    if not TYPE_CHECKING:  # a type checker reports an old name by itself

        def __getattr__(self, name: str) -> Any:
            raise refuse_method(self, name)

    # Results

    @property
    def stopped(self) -> bool:
        """Whether the loop has to end: the stopper decided so, or somebody sent a command."""
        return self.run.decision is not None and self.run.decision.stop

    @property
    def store(self) -> Store | None:
        """The store of the checkpoints, or None."""
        return self.keeper.store

    @property
    def best_step(self) -> int | None:
        return self.keeper.best[0]

    @property
    def best_value(self) -> float | None:
        return self.keeper.best[1]

    # Training

    def __iter__(self) -> Iterator[int]:
        """Yield the number of each step to train. A second iteration goes on; after a stop only if you roll back."""
        self._branch()
        self.keeper.recovery.begin(Position(self.step))
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
        """Judge a validation after `step`, keep the state if it is the best, record both, and obey commands.

        `n` is the number of examples, `train` the training loss, `metrics` are further measured values, and `seconds`
        is the time that the validation took. For `paired_noise`, `correct` says whether each example was right (a
        vector of bools), or `losses` holds the loss of each. The decision also stops if a command asks for a stop.
        """
        more: dict[str, Any] = {"train": train, "metrics": metrics, "epoch": epoch, "duration_seconds": seconds}
        validation = make_validation(step, value, n, **more, pairs=read_pairs(correct, losses))
        self._branch()
        self.step = step
        decision = self.keeper.report_validation(Position(step), validation)
        if decision.improved:
            self._written_at = self._clock()
        elif decision.goes_back is None and self._clock() - self._written_at >= CHECKPOINT_SECONDS:
            self.keeper.checkpoint(Position(step), "last")
            self._written_at = self._clock()
        self._follow()
        self._obey()
        return self.run.decision if self.stopped and self.run.decision is not None else decision

    def report_loss(self, step: int, loss: Any) -> bool:
        """Judge the loss of the batch of `step`, if the stopper has `recover`; return whether training went back.

        If it did, `step` is that of the state it went back to, and the variables are as they were there; a `for` over
        the loop goes on from there. Call it before `report_validation`. `loss` is one number; reading it waits for the
        step. `recoveries` counts how often training went back: shuffle your data by it, as the same batches might break
        training again.
        """
        if self.run.stopper.watch is None:
            return False
        self._branch()
        self.step = step
        decision = self.keeper.recovery.judge_batch(Position(step), float(loss))
        return decision is not None and self._follow()

    @property
    def recoveries(self) -> int:
        """How often training went back by itself so far, in all processes of the run."""
        return len(self.run.stopper.recoveries)

    def checkpoint(self, step: int | None = None) -> Manifest:
        """Write the present state to the disk, under the number `step` if given; it is durable when this returns.

        Raises:
            NotFound: The loop has no store.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        self._branch()
        self.step = self.step if step is None else step
        return self.keeper.write(Position(self.step))

    def roll_back(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Put a state back, the best one if none is named: variables, optimizers, random states, step; return it.

        If training goes on afterwards, it does so from there, with fresh patience, in a new segment of the run.

        Raises:
            NotFound: No such state is kept.
            CheckpointMismatch: The variables have changed since.
        """
        self._restored = self.keeper.rollback.put_back(step=step, checkpoint=checkpoint)
        self.step = self._restored.step
        return self._restored

    def close(self) -> bool:
        """Wait until every checkpoint is on disk; return whether it is. The end of the run calls this."""
        return self.keeper.close(DRAIN_SECONDS)

    def _resume(self, store: Store, living: VariableSet) -> None:
        state = go_on(self.run, store, living, self._carried)
        if state is not None:
            self.step = state.step
        if self.run.opening.overrides is not None:
            self.keeper.rollback.change(Position(self.step), self.run.opening.overrides)

    def _branch(self) -> None:
        """Open a new segment if training goes on after `roll_back`."""
        restored, self._restored = self._restored, None
        if restored is not None:
            self.keeper.stop = None
            self.keeper.rollback.branch(restored, Overrides(reset_patience=True))

    def _follow(self) -> bool:
        """Go on from where a recovery went back to; return whether there was one."""
        roll_back = self.keeper.recovery.take()
        if roll_back is not None:
            self.step = roll_back.state.step
        return roll_back is not None

    def _obey(self) -> None:
        roll_back = self.keeper.obey(Position(self.step)) if self.run.commands else None
        if roll_back is not None:
            self.step = roll_back.state.step
