"""One `tf.compat.v1` session under care: the best state in memory, on disk when asked, and the ways back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from keepbest.checkpoint import About, Manifest, Store, choose
from keepbest.checkpoint.keeper import Keeper
from keepbest.checkpoint.restore import open_store
from keepbest.contract.base import new_id
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput, NotFound
from keepbest.session.variables import GraphVariables
from keepbest.state import Position, State, capture_random, restore_random
from keepbest.stopping import Mode
from keepbest.stopping.look import is_better


class Session:
    """Keep the best state of a `tf.compat.v1.Session`, and go back to it.

    A state is every variable and the random states of Python and NumPy, under one id. Make this after the whole
    graph, optimizer included; it adds nothing to it, so the graph may be finalised. Not in a state: the hidden
    counters of TensorFlow's random operations, and the places of input pipelines.

    Args:
        sess: The session whose variables are kept.
        variables: Only these (default: all global variables).
        mode: "min" or "max": which way the value gets better.
        monitor: What the value is, for the record.
        run: The run that checkpoints are filed under, or its id (default: a new one, in `run`).
        store: Folder of the checkpoints (default: KEEPBEST_STORE); made when the first one is written.
        retention: Which of the run's checkpoints stay (default: the best one and the last one).
    """

    def __init__(
        self,
        sess: Any,
        variables: Sequence[Any] | None = None,
        *,
        mode: Mode,
        monitor: str | None = None,
        run: Any = None,
        store: Store | Path | str | None = None,
        retention: RetentionSpec | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if mode not in ("min", "max"):
            raise InvalidInput(f"mode is one of min, max, but got {mode!r}.", field="mode")
        self.run = str(getattr(run, "id", run)) if run is not None else new_id()
        self.store = open_store(store)
        self.mode, self.monitor = mode, monitor
        self.best_step: int | None = None
        self.best_value: float | None = None
        self._variables = GraphVariables(sess, variables)
        self._retention, self._now = retention or RetentionSpec(), now
        self._best: State | None = None
        self._keeper: Keeper | None = None

    def keep(self, step: int, value: float) -> bool:
        """Keep the present state in memory if `value` is the best so far; return whether it is. NaN never is."""
        number = float(value)  # a NumPy float32 would be compared as one
        if not is_better(number, self.best_value, self.mode):
            return False
        self._best = self._capture(step)
        self.best_step, self.best_value = step, number
        return True

    def roll_back(self) -> State:
        """Put the best state back, from memory, or from the store where it is only there; return it.

        Raises:
            NotFound: Nothing was kept yet.
            CheckpointMismatch: The graph has changed since.
        """
        state = self._best or self._load(choose(self.store, self.run))
        self._put_back(state, f"The state of step {state.step}")
        return state

    def checkpoint(self, step: int | None = None) -> Manifest:
        """Put the best state on disk, or the present one as that of `step`; it is durable when this returns.

        Raises:
            NotFound: No step was named, and nothing was kept yet.
            StoreUnavailable: The disk is full, read-only or gone.
        """
        if step is not None:
            return self._write(self._capture(step), "last", None)
        if self._best is None:
            raise NotFound("Nothing was kept yet.", hint="Call keep(step, value) first, or name the step.")
        if self._best.id in self.store.checkpoints(self.run):
            return self.store.read_manifest(self.run, self._best.id)[0]
        return self._write(self._best, "best", self.best_value)

    def restore(self, *, step: int | None = None, checkpoint: str | None = None, last: bool = False) -> Manifest:
        """Put a checkpoint of the run back, the best one if none is named; in any process, before or after `keep`.

        What is the best from here on is the best that lies in the store.

        Raises:
            NotFound: The run has no such checkpoint.
            CheckpointDamaged: It is not what was written.
            CheckpointMismatch: Its variables are not the graph's; the message names every difference.
        """
        manifest = choose(self.store, self.run, step=step, checkpoint=checkpoint, last=last)
        state = self._load(manifest)
        self._put_back(state, f"Checkpoint {manifest.id}")
        self._take_best(choose(self.store, self.run), state)
        return manifest

    def _capture(self, step: int) -> State:
        if step < 0:
            raise InvalidInput(f"A step is 0 or more, but got {step}.", field="step")
        specs, values = self._variables.read()
        return State(Position(step), specs, values, random=capture_random(tensorflow=False))

    def _put_back(self, state: State, what: str) -> None:
        self._variables.assign(state.specs, state.values, what=what)
        restore_random(state.random, tensorflow=False)

    def _load(self, manifest: Manifest) -> State:
        """Return a checkpoint as arrays: in a graph there are no tensors with values."""
        loaded = self.store.load(manifest.run, manifest.id)
        return State(manifest.position, loaded.specs, loaded.arrays, random=manifest.random, id=manifest.id)

    def _take_best(self, best: Manifest, state: State) -> None:
        judged = best.value is not None and best.mode == self.mode
        self.best_step, self.best_value = (best.step, best.value) if judged else (None, None)
        self._best = state if state.id == best.id else None

    def _write(self, state: State, kind: Literal["best", "last"], value: float | None) -> Manifest:
        mode = self.mode if value is not None else None
        about = About(run=self.run, at=self._now(), kind=kind, value=value, monitor=self.monitor, mode=mode)
        if self._keeper is None:
            self._keeper = Keeper(self.store, self.run, self._retention)
        manifest = self.store.write(state, about).manifest
        self._keeper.take(manifest, {})
        return manifest
