"""The summary columns of a run: its newest and best values, so that a list of runs reads nothing else.

The newest facts are one UPDATE a batch. Best validation and best checkpoint are each a compare-and-set: only a strictly
better value under the present lease replaces them, so that a resumed or stale process never puts a worse one there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from keepbest.contract.base import iso
from keepbest.contract.batches import Batch, CheckpointDurable, Declared, ReportedValidation, WithdrawnValidation
from keepbest.contract.runs import JUMPS, Mode, RunSpec
from keepbest.errors import LeaseLost
from tracker.models import RunTable
from tracker.store import checkpoints, events, run_spec, runs, segments, validations
from tracker.store.metrics import metrics
from tracker.store.metrics.metrics import Column
from tracker.store.provenance import put_provenance
from tracker.store.runs import RunRow
from tracker.store.search import entries

#: A batch of nothing but points makes an event only when the last word of the run is this old.
QUIET = timedelta(seconds=0.2)
#: What of a spec that changes is also in columns of the run, for filters alone.
_FOUND_BY = {"monitor", "variant", "commit"}

#: Built once: building a statement costs more than running it.
_NOTE_POINTS = (
    update(RunTable)
    .where(RunTable.pk == bindparam("of_run"), RunTable.lease_digest == bindparam("of_lease"))
    .values(step=bindparam("to_step"), heard_at=bindparam("at"), updated_at=bindparam("at"))
)


def update_run(
    conn: Connection, run: RunRow, columns: Sequence[Column], records: Batch | None, now: datetime
) -> dict[str, Any]:
    """Bring the run's row up to date with a batch, write the events of it, and return the fields that changed."""
    if records is None:
        _note_points(conn, run, columns, now)
        return {}
    facts = _newest(run, columns, records)
    if records.progress is not None and records.progress.declared is not None:
        facts |= _settle_declared(conn, run, records.progress.declared)
    if records.progress is not None and records.progress.provenance is not None:
        put_provenance(conn, run.pk, records.progress.provenance)
    _set(conn, run, {**facts, "heard_at": now, "updated_at": now})
    best = _improve(conn, run, str(facts.get("mode", run.mode)), records)
    _settle_own_best(conn, run, facts, best)
    _announce(conn, run, facts, best, records, now)
    return facts | best


def _note_points(conn: Connection, run: RunRow, columns: Sequence[Column], now: datetime) -> None:
    """Note a batch of nothing but points: by far the most frequent kind."""
    step = _newest_step(columns, run.step)
    guard = {"of_run": run.pk, "of_lease": run.lease_digest}
    if conn.execute(_NOTE_POINTS, {**guard, "to_step": step, "at": now}).rowcount != 1:
        raise _lost(run)
    if run.heard_at is None or now - run.heard_at >= QUIET:
        events.append(conn, "run.progress", run, {"step": step}, now)


def _newest_step(columns: Sequence[Column], before: int | None) -> int | None:
    if not columns:
        return before
    newest = max(column.segment for column in columns)
    return max(int(column.points.steps.max()) for column in columns if column.segment == newest)


def _newest(run: RunRow, columns: Sequence[Column], records: Batch) -> dict[str, Any]:
    """Return the fields of the run that this batch changes."""
    facts: dict[str, Any] = {}
    step = _newest_step(columns, None)
    if records.segments:
        facts["segment"] = records.segments[-1].number
        step = records.segments[-1].start_step if step is None else step
        facts |= _of_changes(records)
    if records.validations:
        facts |= _of_validations(run, records.validations)
        step = max(step or 0, records.validations[-1].step)
    if records.withdrawn and not any(validation.at > records.withdrawn[-1].at for validation in records.validations):
        facts |= _of_patience(records.withdrawn[-1])
    if step is not None:
        facts["step"] = step
    return facts | _of_progress(records)


def _of_changes(records: Batch) -> dict[str, Any]:
    """A roll back may say how far the run goes; who resumed or forked it has said so already."""
    changes = [
        segment_opened.overrides
        for segment_opened in records.segments
        if segment_opened.reason in JUMPS and segment_opened.overrides
    ]
    lines = [overrides.max_steps for overrides in changes if overrides.max_steps is not None]
    return {"max_steps": lines[-1]} if lines else {}


def _of_validations(run: RunRow, validations: Sequence[ReportedValidation]) -> dict[str, Any]:
    last = validations[-1]
    measured = [
        validation.value for validation in validations if validation.value is not None
    ]  # a stop between two validations has none
    return {
        "validations": run.validations + len(validations),
        "last_value": measured[-1] if measured else run.last_value,
        "last_validation_step": last.step,
        **_of_patience(last),
    }


def _of_patience(entry: ReportedValidation | WithdrawnValidation) -> dict[str, Any]:
    decision = entry.decision
    return {"wait": decision.wait, "patience_left": decision.patience_left, "patience_unit": decision.unit}


def _of_progress(records: Batch) -> dict[str, Any]:
    names = {"step", "mode", "resume", "resume_note", "incomplete", "environment", "error", "memory"}
    progress = records.progress
    if progress is None:
        return {}
    facts = progress.model_dump(mode="json", include=names, exclude_none=True)
    commit = (progress.environment or {}).get("commit")
    facts |= {"commit": commit[:64]} if isinstance(commit, str) else {}
    facts |= {} if progress.warning is None else {"warning": progress.warning or None}
    return facts | ({} if progress.stalled is None else {"stalled_since": progress.at if progress.stalled else None})


def _settle_declared(conn: Connection, run: RunRow, declared: Declared) -> dict[str, Any]:
    """Return the spec of a run with what its script says of it, where the submission said nothing.

    A script that nobody submitted says all of it: what its callback watches is what its validations measured. Of a run
    of a worker's own trainer, that is what its epochs are in steps.
    """
    spec = conn.execute(select(RunTable.spec).where(RunTable.pk == run.pk)).scalar_one()
    if run.source_kind not in ("command", "external"):
        declared = Declared(
            **{name: getattr(declared, name) for name in run_spec.list_epochs(RunSpec.model_validate(spec))}
        )
    fixed = spec["source"].get("fixed", [])
    if declared.stopper is not None:
        declared = declared.model_copy(
            update={"stopper": run_spec.check_stopper(declared.stopper, declared.mode or Mode.AUTO)}
        )
    new = {
        name: value for name, value in declared.model_dump(mode="json", exclude_none=True).items() if name not in fixed
    }
    settled = {**spec, **new}
    if "parameters" in new:
        entries.replace_parameters(conn, run.pk, run.project_pk, new["parameters"])
    found_by = {name: value for name, value in entries.describe_spec(settled).items() if name in ("monitor", "variant")}
    return {"spec": settled, **found_by, **({"mode": new["mode"]} if "mode" in new else {})}


def _set(conn: Connection, run: RunRow, changes: dict[str, Any]) -> None:
    """Write to the run's row, if the lease is still the one under which it was read."""
    guarded = update(RunTable).where(RunTable.pk == run.pk, RunTable.lease_digest == run.lease_digest)
    if conn.execute(guarded.values(changes)).rowcount != 1:
        raise _lost(run)


def _lost(run: RunRow) -> LeaseLost:
    return LeaseLost(f"The lease on run {run.id} has just ended.")


# Best


def _improve(conn: Connection, run: RunRow, mode: str, records: Batch) -> dict[str, Any]:
    """Replace best validation and best checkpoint where this batch has better ones; return the fields that changed."""
    if mode == Mode.AUTO:
        return {}
    goes_on = any(opened.reason == "resume" for opened in records.segments)
    changed = _take_back(conn, run, mode, records.withdrawn)
    changed |= _recall(conn, run, mode) if goes_on else {}
    gone = {(withdrawn.segment, withdrawn.step) for withdrawn in records.withdrawn}
    admitted = [
        validation
        for validation in records.validations
        if validation.decision.is_admitted and (validation.segment, validation.step) not in gone
    ]
    validation = _best_of(admitted, mode)
    if validation is not None:
        changed.update(_replace(conn, run, mode, {"best_value": validation.value, "best_step": validation.step}))
    point = _best_of(_find_admitted(conn, run, records), mode)
    if point is not None:
        changed.update(_replace(conn, run, mode, {"best_checkpoint_value": point.value, "best_checkpoint": point.id}))
    return changed | _replace_dropped(conn, run, mode, records)


def _settle_own_best(conn: Connection, run: RunRow, facts: dict[str, Any], best: dict[str, Any]) -> None:
    """Have the summary of the monitored metric say the run's best, whichever of the two has changed."""
    monitor = facts.get("monitor", run.monitor)
    if monitor == run.monitor and "best_value" not in best:
        return
    if monitor != run.monitor:
        metrics.drop_own_best(conn, run.pk, run.monitor)
    now = {name: best.get(name, getattr(run, name)) for name in ("best_value", "best_step")}
    metrics.set_own_best(conn, run.pk, monitor, now["best_value"], now["best_step"])


def _take_back(conn: Connection, run: RunRow, mode: str, withdrawn: Sequence[WithdrawnValidation]) -> dict[str, Any]:
    """Compare and set the other way: a best that its trainer took back becomes the one that its stopper has now."""
    changed = dict[str, Any]()
    for answer in withdrawn:
        before = {"best_step": answer.decision.best_step, "best_value": answer.decision.best_value}
        still = (RunTable.best_step == answer.step, RunTable.best_value == answer.value)
        guarded = update(RunTable).where(RunTable.pk == run.pk, RunTable.lease_digest == run.lease_digest, *still)
        if conn.execute(guarded.values(before)).rowcount == 1:
            changed |= before
    return changed


def take_back(
    conn: Connection, run: RunRow, withdrawn: Sequence[WithdrawnValidation], *, is_last: bool, now: datetime
) -> None:
    """Do the same when the lease has ended under which that was a best; `is_last` says that no attempt came after it.

    Else the one before is the best only where a later attempt has no better.
    """
    best = _take_back(conn, run, run.mode, withdrawn)
    if best and is_last:
        best |= _recall_checkpoint(conn, run, run.mode, segments.read_path(conn, run.pk))
    elif best:
        best |= _recall(conn, runs.get_by_pk(conn, run.pk), run.mode)
    _settle_own_best(conn, run, {}, best)
    _announce_withdrawn(conn, run, withdrawn, now)
    _announce_best(conn, run, best, now)


def _recall(conn: Connection, run: RunRow, mode: str) -> dict[str, Any]:
    """What an earlier attempt told when its lease had ended was no best then; it is once the run goes on from it."""
    path, changed = segments.read_path(conn, run.pk), dict[str, Any]()
    if validations.is_withdrawn(conn, run.pk, run.best_step, run.best_value):  # said too late to move it
        changed |= {"best_step": None, "best_value": None}
        _set(conn, run, changed)
    validation = validations.find_best(conn, run.pk, mode, path)
    if validation is not None:
        changed |= _replace(conn, run, mode, {"best_value": validation.value, "best_step": validation.step})
    return changed | _recall_checkpoint(conn, run, mode, path)


def _recall_checkpoint(conn: Connection, run: RunRow, mode: str, path: segments.LivingPath) -> dict[str, Any]:
    point = checkpoints.find_best(conn, run.pk, mode, path)
    if point is None:
        return {}
    return _replace(conn, run, mode, {"best_checkpoint_value": point.value, "best_checkpoint": point.id})


def _find_admitted(conn: Connection, run: RunRow, records: Batch) -> Sequence[CheckpointDurable]:
    """Return the checkpoints that may be the best: none that is gone again, and none that an earlier attempt wrote on
    a tail which this one trains anew. Its own count also where it has gone back since."""
    gone = {dropped.id for dropped in records.dropped}
    there = [point for point in records.checkpoints if point.id not in gone and point.kind != checkpoints.MADE]
    if not there:
        return []
    own, path = segments.opened_by(conn, run.pk, run.attempt), segments.read_path(conn, run.pk)
    return [point for point in there if point.segment in own or not path.is_ghost(point.segment, point.step)]


def _best_of(seen: Sequence[Any], mode: str) -> Any | None:
    """Return the validation or checkpoint with the best finite value, the earliest of equals."""
    finite = [item for item in seen if item.value is not None and math.isfinite(item.value)]
    sign = 1 if mode == Mode.MIN else -1
    return min(finite, key=lambda item: sign * item.value, default=None)


def _replace(conn: Connection, run: RunRow, mode: str, better: dict[str, Any]) -> dict[str, Any]:
    """Compare and set: the first of `better` is the value, compared to what the row holds at this moment."""
    name, value = next(iter(better.items()))
    column = getattr(RunTable, name)
    worse = column.is_(None) | ((column > value) if mode == Mode.MIN else (column < value))
    guarded = update(RunTable).where(RunTable.pk == run.pk, RunTable.lease_digest == run.lease_digest, worse)
    return better if conn.execute(guarded.values(better)).rowcount == 1 else {}


def _replace_dropped(conn: Connection, run: RunRow, mode: str, records: Batch) -> dict[str, Any]:
    """Name the next best checkpoint when the best one was dropped."""
    if run.best_checkpoint not in {point.id for point in records.dropped}:
        return {}
    gone = update(RunTable).where(RunTable.pk == run.pk, RunTable.best_checkpoint == run.best_checkpoint)
    row = checkpoints.find_best(conn, run.pk, mode)
    changes = {
        "best_checkpoint": None if row is None else row.id,
        "best_checkpoint_value": None if row is None else row.value,
    }
    return changes if conn.execute(gone.values(changes)).rowcount == 1 else {}


# Events


def _announce(
    conn: Connection, run: RunRow, facts: dict[str, Any], best: dict[str, Any], records: Batch, now: datetime
) -> None:
    """Write what happened: at most one event of a kind a batch, but one for each checkpoint."""
    if facts:
        shown = {
            name: iso(fact) if isinstance(fact, datetime) else fact
            for name, fact in facts.items()
            if name not in _FOUND_BY
        }
        events.append(conn, "run.progress", run, shown, now)
    if records.validations:
        events.append(conn, "run.validation", run, _validation_data(records.validations), now)
    _announce_withdrawn(conn, run, records.withdrawn, now)
    for point in records.checkpoints:
        data = point.model_dump(mode="json", include={"id", "segment", "step", "kind", "value", "size_bytes"})
        events.append(conn, "run.checkpoint", run, {**data, "state": "durable"}, now)
    for dropped in records.dropped:
        events.append(conn, "run.checkpoint", run, {"id": dropped.id, "state": "dropped"}, now)
    _announce_best(conn, run, best, now)


def _announce_withdrawn(conn: Connection, run: RunRow, withdrawn: Sequence[WithdrawnValidation], now: datetime) -> None:
    for answer in withdrawn:
        data = answer.model_dump(mode="json", include={"segment", "step", "value", "reason"})
        events.append(conn, "run.withdrawn", run, data, now)


def _announce_best(conn: Connection, run: RunRow, best: dict[str, Any], now: datetime) -> None:
    if best:
        shown = {name: value for name, value in best.items() if name != "best_checkpoint_value"}
        events.append(conn, "run.best", run, shown, now)


def _validation_data(validations: Sequence[ReportedValidation]) -> dict[str, Any]:
    last = validations[-1]
    data = {"segment": last.segment, "step": last.step, "value": last.value, "count": len(validations)}
    return {**data, "improved": last.decision.improved, "stop": last.decision.stop}
