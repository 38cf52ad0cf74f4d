"""Puts back the checkpoint from which a run goes on: the one that its tracker names, else the newest whole one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from keepbest.checkpoint import Loaded, Store
from keepbest.checkpoint.writer import wait_for_writers
from keepbest.contract.checkpoints import Checkpoint
from keepbest.errors import CheckpointDamaged, CheckpointError, CheckpointMismatch, NotFound, OptimizersDiffer
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.snapshot import ModelVariables, VariableSet, roll_back
from keepbest.snapshots.state import Position, State
from keepbest.tracking.history import SegmentInfo, leave_out_made
from keepbest.tracking.run import Run
from keepbest.training.fit.epochs import ResumedEpoch
from keepbest.training.monitor import direction_of
from keepbest.training.network import build_as_described

#: A further hint for a checkpoint of another model than the one whose `fit` begins.
OTHER_MODEL = "Another model is a run of its own: without that id, or with resume='never' (of KeepBest: resume=False)."

_log = logging.getLogger("keepbest")


def resume(run: Run, store: Store, living: VariableSet, carried: CarriedState) -> State | None:
    """Put back variables, random states, carried state and the stopper's state.

    Returns the state, or None if there is none.

    Raises:
        CheckpointMismatch: The variables or the carried generators are not those of the run; the message names every
            difference.
        CheckpointIncomplete: keepbest could not capture a part of the state.
    """
    loaded = load_start(run, store)
    if loaded is None:
        return None
    manifest, state = loaded.manifest, loaded.to_state(as_tensors=living.is_eager)
    carried.check(state.callbacks)
    if isinstance(living, ModelVariables):
        loaded.resume_into(None, variables=living)
    else:
        living.check(state)
        roll_back(living, state)
    carried.restore(state.callbacks)
    if manifest.stopper.get("policy"):  # otherwise the checkpoint is older than the first validation
        if manifest.mode is not None:
            run.set_mode(manifest.mode)
        run.stopper.go_on_from(manifest.stopper)
    run.go_on_at(state.step, state.id)
    return state


class FitResume:
    """Puts the state on disk back into the model at the first `fit` of a callback.

    A script may train in phases and compile the model anew between them, and a restarted script begins with the first
    phase again. If the checkpoint belongs to a later phase, its optimizers do not fit: then the first fit gets only the
    network, and the later fit goes on from the whole state.
    """

    def __init__(self, run: Run, carried: CarriedState, *, is_due: bool) -> None:
        self._run = run
        self._carried = carried
        self._is_due = is_due
        #: The checkpoint that waits for a later fit.
        self._left: str | None = None
        #: The epoch with which the resumed fit begins, until it has begun.
        self._epoch: ResumedEpoch | None = None

    def begin(self, store: Store | None, model: Any) -> State | None:
        """Put the state back into a model whose `fit` begins, and which may not be built yet; return the state.

        Returns None if there is none to put back. Raises as `resume` does, except for optimizers that differ.
        """
        self.end()
        state: State | None = None
        if store is not None and self._is_due:
            loaded = load_start(self._run, store)
            state = self._begin_first(store, loaded, model) if loaded is not None else None
        elif store is not None and self._left is not None:
            state = self._begin_later(store, model, self._left)
        self._is_due = False
        self._epoch = ResumedEpoch(model, state.position) if state is not None else None
        return state

    def settle(self, epoch: int, position: Position, steps: int | None) -> Position:
        """Return the position of training, now that Keras begins `epoch`, of `steps` batches."""
        begun, self._epoch = self._epoch, None
        return begun.settle(epoch, position, steps) if begun is not None else position

    def end(self) -> bool:
        """Return whether the fit that ends trained no epoch, because all were done already."""
        begun, self._epoch = self._epoch, None
        if begun is not None:
            begun.withdraw()
        return begun is not None

    def _begin_first(self, store: Store, loaded: Loaded, model: Any) -> State:
        if not model.built and loaded.manifest.network is not None:
            build_as_described(model, store.read_network(loaded.manifest.network))
        self._carried.check(loaded.manifest.callbacks)
        try:
            state = loaded.resume_into(model)
        except OptimizersDiffer as error:
            state = loaded.resume_into(model, network_only=True)
            self._left = state.id
            self._run.recorder.held[state.id] = "a later fit of this script may go on there"
            _log.warning(
                "keepbest: checkpoint %s, of step %d, was written after another compile(): this fit goes on with its "
                "network, and the optimizer begins anew (%s). A later fit with the checkpoint's optimizer goes on from "
                "all of it. With fit(initial_epoch=…), a phase that was over then trains nothing now.",
                state.id,
                state.step,
                error.message.splitlines()[1].strip(),
            )
        except CheckpointMismatch as error:
            raise CheckpointMismatch(error.message, hint=f"{error.hint} {OTHER_MODEL}") from None
        self._carried.restore(state.callbacks)
        self._run.set_mode(loaded.manifest.mode or direction_of(model, self._run.monitor))
        self._run.stopper.go_on_from(state.stopper)
        self._run.go_on_at(state.step, state.id)
        return state

    def _begin_later(self, store: Store, model: Any, checkpoint: str) -> State | None:
        with suppress(CheckpointError, NotFound):
            state = store.load(self._run.id, checkpoint).resume_into(model)
            self._left = None
            del self._run.recorder.held[state.id]
            self._carried.restore(state.callbacks)
            return state
        return None


def load_start(run: Run, store: Store) -> Loaded | None:
    """Return the checkpoint from which a script's run goes on; None if it begins anew, or has none.

    Raises:
        NotFound: The tracker names a checkpoint, and this store has none of the run.
    """
    if run.opening.goes_on is False:
        return None
    wait_for_writers(run.id)
    return find_start(run, store, run.start, lambda: run.opening.past.segments)


def find_start(
    run: Run, store: Store, wanted: Checkpoint | None, read_segments: Callable[[], Sequence[SegmentInfo]]
) -> Loaded | None:
    """Return the checkpoint from which training goes on: the one that the tracker names, else the newest whole one.

    Scripts and workers call this. A checkpoint other than the named one may contain some of the run's overrides
    already: this removes these, by the segments that `read_segments` returns. Raises as `load_start` does.
    """
    if wanted is not None:
        try:
            return store.load(run.id, wanted.id)
        except (NotFound, CheckpointDamaged) as error:
            refuse_stranger(store, run.id, wanted)
            _log.warning("keepbest: %s Going on from the newest whole checkpoint.", error.message)
    loaded = store.load_newest(run.id, on_damaged=lambda error: _log.warning("keepbest: %s", error.message))
    if loaded is not None and wanted is not None:
        opening, taken = run.opening, loaded.manifest.segment
        opening.overrides = leave_out_made(opening.overrides, read_segments(), wanted=wanted, taken=taken)
    return loaded


def refuse_stranger(store: Store, run: str, wanted: Checkpoint) -> None:
    """Raise NotFound if a run is to go on from a checkpoint and the store has none of the run: it is another store.

    Beginning anew there would silently throw away the earlier training.
    """
    if not store.checkpoints(run):
        raise NotFound(
            f"The run goes on from checkpoint {wanted.id}, but {store.folder.root} has never seen the run.",
            hint=f"Use one store everywhere (KEEPBEST_STORE), and check that it is mounted; "
            f"the checkpoint was written to {wanted.location}.",
        )
