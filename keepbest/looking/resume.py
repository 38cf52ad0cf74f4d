"""Where a script's run goes on: the checkpoint that its tracker names, else the newest that is whole."""

from __future__ import annotations

import logging
from typing import Any

from keepbest.checkpoint import Loaded, Store
from keepbest.contract.checkpoints import Checkpoint
from keepbest.errors import CheckpointDamaged, CheckpointError, NotFound
from keepbest.looking.monitor import direction_of
from keepbest.looking.network import build_as_described
from keepbest.runs.lineage import leave_out_made
from keepbest.runs.run import Run
from keepbest.runs.script import ScriptRun
from keepbest.snapshots.carried import Carried
from keepbest.snapshots.snapshot import Living, Variables, roll_back
from keepbest.snapshots.state import Position, State

_log = logging.getLogger("keepbest")


def resume(run: Run, store: Store, living: Living, carried: Carried) -> State | None:
    """Put variables, random states and what is carried back, and take up the stopper.

    Returns the state, or None where there is none.

    Raises:
        CheckpointMismatch: The variables, or generators that are carried, are not those that were trained; the message
            names every difference.
        CheckpointIncomplete: A part of the state was never captured.
    """
    loaded = load_start(run, store)
    if loaded is None:
        return None
    manifest, state = loaded.manifest, loaded.to_state(as_tensors=living.is_eager)
    carried.check(state.callbacks)
    if isinstance(living, Variables):
        loaded.resume_into(None, variables=living)
    else:
        living.check(state)
        roll_back(living, state)
    carried.restore(state.callbacks)
    if manifest.stopper.get("policy"):  # else it was written before the first look
        if manifest.mode is not None:
            run.set_mode(manifest.mode)
        run.go_on_from(manifest.stopper)
    run.go_on_at(state.step, state.id)
    return state


def resume_fit(run: Run, store: Store | None, model: Any, carried: Carried) -> Position | None:
    """Do the same for a Keras model whose `fit` begins, which may not be built yet; return where training is then."""
    loaded = load_start(run, store) if store is not None else None
    if store is None or loaded is None:
        return None
    if not model.built and loaded.manifest.network is not None:
        build_as_described(model, store.read_network(loaded.manifest.network))
    carried.check(loaded.manifest.callbacks)
    state = loaded.resume_into(model)
    carried.restore(state.callbacks)
    run.set_mode(loaded.manifest.mode or direction_of(model, run.monitor))
    run.go_on_from(state.stopper)
    run.go_on_at(state.step, state.id)
    return state.position


def load_start(run: Run, store: Store) -> Loaded | None:
    """Return the checkpoint that the run goes on from; None where it begins anew, or has none.

    Where that is not the one that its tracker names, it may hold some of the run's overrides: these are left out.

    Raises:
        NotFound: The tracker names one, and this store has never seen the run.
    """
    if run.goes_on is False:
        return None
    if run.start is not None:
        try:
            return store.load(run.id, run.start.id)
        except (NotFound, CheckpointDamaged) as error:
            refuse_stranger(store, run.id, run.start)
            _log.warning("keepbest: %s The newest whole checkpoint is taken.", error.message)
    loaded = store.load_newest(run.id, on_damaged=_warn)
    if loaded is not None and run.start is not None and isinstance(run, ScriptRun):
        known = run.past.segments
        run.overrides = leave_out_made(run.overrides, known, wanted=run.start, taken=loaded.manifest.segment)
    return loaded


def refuse_stranger(store: Store, run: str, wanted: Checkpoint) -> None:
    """Raise NotFound where a run is to go on from a checkpoint and the store has none of it: it is another store.

    To begin anew there would throw away, without a word, what was trained.
    """
    if not store.checkpoints(run):
        raise NotFound(
            f"The run goes on from checkpoint {wanted.id}, but {store.folder.root} has never seen the run.",
            hint=f"Use one store everywhere (KEEPBEST_STORE), and see that it is mounted; "
            f"the checkpoint was written to {wanted.location}.",
        )


def _warn(error: CheckpointError) -> None:
    _log.warning("keepbest: %s", error.message)
