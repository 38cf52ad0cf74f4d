"""Resumes a run: puts its newest checkpoint back into the model that was just built."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from keepbest.checkpoint import Store
from keepbest.checkpoint.files import trash
from keepbest.checkpoint.manifest import Manifest
from keepbest.contract.runs import Run as Known
from keepbest.contract.runs import Segment
from keepbest.contract.workers import Assignment
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.state import Position
from keepbest.tracking.run import Run
from keepbest.training.resume import find_start

_log = logging.getLogger("keepbest.trainer")


def resume(
    run: Run,
    store: Store,
    assignment: Assignment,
    model: Any,
    read_segments: Callable[[], Sequence[Segment]],
    carried: CarriedState | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Position:
    """Put back the checkpoint that `assignment` names, or the newest whole one; return the position to go on from.

    If it is not the named one, this removes the overrides that it contains already, by the segments of `read_segments`.

    Raises NotFound if this worker's store has no checkpoint of the run, and CheckpointMismatch if the model is not the
    one of the run.
    """
    set_aside_unknown(store, assignment, clock())
    wanted = assignment.resume
    if wanted is None:
        return Position()
    loaded = find_start(run, store, wanted, read_segments)
    if loaded is None:
        run.branch(0, parent=0)
        run.recorder.report(resume="approximate", resume_note="No whole checkpoint is left: training begins anew.")
        return Position()
    is_wanted = loaded.manifest.id == wanted.id
    if not is_wanted:
        manifest = loaded.manifest
        run.branch(loaded.step, parent=manifest.segment, checkpoint=manifest.id, overrides=run.opening.overrides)
    state = loaded.resume_into(model)
    if carried is not None:
        carried.restore(state.callbacks)
    _take_up_stopper(run, loaded.manifest)
    if is_wanted:
        _remember_best(run, store, assignment.run)
    _log.info("Going on from checkpoint %s at step %d.", loaded.manifest.id, loaded.step)
    return state.position


def set_aside_unknown(store: Store, assignment: Assignment, now: datetime) -> None:
    """Put into the trash the checkpoints of an earlier attempt in segments that the tracker does not know.

    Their validations are lost with that attempt's journal, so no training may go on from there.
    """
    id = assignment.run.id
    known = {*store.folder.pins(id), assignment.run.best_checkpoint}  # a fork's checkpoint has its origin's segment
    known |= {assignment.resume.id} if assignment.resume is not None else set()
    for manifest in store.manifests(id):
        if manifest.segment >= assignment.next_segment and manifest.id not in known:
            _log.warning("Checkpoint %s of step %d was never reported: trashing it.", manifest.id, manifest.step)
            trash.put(store.folder, id, manifest.id, now)


def _take_up_stopper(run: Run, manifest: Manifest) -> None:
    if not manifest.stopper.get("policy"):
        return  # the checkpoint is older than the first validation
    if run.stopper.mode is None and manifest.mode is not None:
        run.set_mode(manifest.mode)
    run.stopper.go_on_from(manifest.stopper)


def _remember_best(run: Run, store: Store, known: Known) -> None:
    """Remember the best on disk if the run goes on from before it, so that no worse validation replaces it."""
    if known.best_checkpoint is not None and known.best_checkpoint in store.checkpoints(run.id):
        manifest, _ = store.read_manifest(run.id, known.best_checkpoint)
        run.stopper.remember_best(manifest.step, manifest.value)
