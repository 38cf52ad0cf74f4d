"""Rungs: the pauses of a sweep's runs, and the promotions from them (`keepbest.stopping.rungs`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode as Direction
from keepbest.contract.sweeps import Halving, RungMark, SweepRun, SweepRung, SweepState
from keepbest.errors import Conflict
from keepbest.status import RunState, StopReason
from keepbest.stopping import Mode, SuccessiveHalving, build
from keepbest.stopping.rungs import Contender, rank
from tracker import db
from tracker.models import RungTable, SweepTable, TrialTable
from tracker.store import commands, runs
from tracker.store.access import audit
from tracker.store.runs import RunRow


def find_halving(stopper: PolicySpec | None) -> Halving | None:
    """Return the rungs at which runs with this stopper pause, or None."""
    pausing = build(stopper.model_dump(), "max").pausing if stopper is not None else ()
    rule = next((policy for policy in pausing if isinstance(policy, SuccessiveHalving)), None)
    return Halving(min_steps=rule.min_steps, factor=rule.factor) if rule is not None else None


# One run


def is_in_sweep(conn: Connection, run: RunRow) -> bool:
    """Whether the run is a trial of a running sweep; after a pause only its sweep promotes a run."""
    living = select(SweepTable.pk).where(SweepTable.pk == run.sweep_pk, SweepTable.state == SweepState.RUNNING.value)
    return conn.execute(living).first() is not None


def count_promotions(conn: Connection, run: RunRow) -> int | None:
    """Return the highest rung from which the run was promoted, or 0; None for a run that does not pause at rungs."""
    if not is_in_sweep(conn, run):
        return None
    promoted = select(func.max(RungTable.rung)).where(RungTable.run_pk == run.pk, RungTable.promoted_at.is_not(None))
    return conn.execute(promoted).scalar() or 0


def pause(conn: Connection, run: RunRow, rung: int, message: str | None, now: datetime) -> RunRow:
    """Pause the run at a rung, with its best value so far."""
    lower = select(func.max(RungTable.rung)).where(RungTable.run_pk == run.pk, RungTable.rung < rung)
    place = {"run_pk": run.pk, "rung": rung, "sweep_pk": run.sweep_pk, "since": 1 + (conn.execute(lower).scalar() or 0)}
    known = {"step": run.step or 0, "value": run.best_value, "reached_at": now, "promoted_at": None}
    marked = db.insert(conn, RungTable).values(**place, **known)
    conn.execute(marked.on_conflict_do_update(index_elements=["run_pk", "rung"], set_=known))
    reason, top = StopReason.SUCCESSIVE_HALVING, max(run.top_rung, rung)
    return runs.move_run(conn, run, RunState.PAUSED, now=now, reason=reason, message=message, top_rung=top)


def mark_promoted(conn: Connection, run: RunRow, now: datetime) -> None:
    """Mark the run as promoted at every rung where it stands."""
    waiting = update(RungTable).where(RungTable.run_pk == run.pk, RungTable.promoted_at.is_(None))
    conn.execute(waiting.values(promoted_at=now))


def promote(conn: Connection, run: RunRow, rung: int, now: datetime) -> RunRow:
    """Queue a run that waits at a rung; raises Conflict where the run no longer waits."""
    if run.state != RunState.PAUSED:
        raise Conflict(f"Run {run.id} is {run.state}: it waits at no rung.", field="run")
    mark_promoted(conn, run, now)
    audit.record(conn, "scheduler", "run.promote", run.id, now, {"rung": rung})
    return runs.move_run(conn, run, RunState.QUEUED, now=now)


def finish(conn: Connection, run: RunRow, message: str, now: datetime) -> RunRow:
    """End a run that waits at a rung, because its sweep is over; raises Conflict where the run no longer waits."""
    if run.state != RunState.PAUSED:
        raise Conflict(f"Run {run.id} is {run.state}: it waits at no rung.", field="run")
    commands.expire_commands(conn, run, now)
    return runs.move_run(conn, run, RunState.FINISHED, now=now, reason=StopReason.SUCCESSIVE_HALVING, message=message)


# All runs of a sweep


def list_marks(conn: Connection, sweep_pk: int) -> dict[int, list[RungMark]]:
    """Return the rungs at which each trial paused, by its number, the lowest first."""
    marks: defaultdict[int, list[RungMark]] = defaultdict(list)
    columns = (TrialTable.number, RungTable.rung, RungTable.step, RungTable.value, RungTable.promoted_at)
    query = (
        select(*columns).join(TrialTable, TrialTable.run_pk == RungTable.run_pk).where(TrialTable.sweep_pk == sweep_pk)
    )
    for row in conn.execute(query.order_by(RungTable.rung)):
        mark = RungMark(rung=row.rung, step=row.step, value=row.value, promoted=row.promoted_at is not None)
        marks[row.number].append(mark)
    return marks


def direction_of(mode: Direction) -> Mode:
    """Return `min` or `max`; the mode is known once a run reaches a rung."""
    return "min" if mode is Direction.MIN else "max"


def to_contenders(sweep_runs: Sequence[SweepRun]) -> list[Contender]:
    """Return the runs of a sweep for ASHA, with their best values: a selector chooses only at a run's end."""
    return [
        Contender(
            number=run.number,
            values={mark.rung: mark.value for mark in run.rungs},
            best=run.best_value,
            waits=run.state == RunState.PAUSED,
            has_ended=run.state == RunState.FINISHED and run.stop_reason != StopReason.SUCCESSIVE_HALVING,
        )
        for run in sweep_runs
    ]


def sum_up(halving: Halving, sweep_runs: Sequence[SweepRun], mode: Mode) -> list[SweepRung]:
    """Return counts and the best value of each rung that a run has reached, the lowest first."""
    contenders = to_contenders(sweep_runs)
    top = max((contender.top for contender in contenders), default=0)
    return [_sum_up(halving, rung, sweep_runs, rank(contenders, rung, mode)) for rung in range(1, top + 1)]


def _sum_up(halving: Halving, rung: int, sweep_runs: Sequence[SweepRun], ranked: Sequence[Contender]) -> SweepRung:
    step = halving.min_steps * halving.factor ** (rung - 1)
    promoted = sum(mark.rung == rung and mark.promoted for run in sweep_runs for mark in run.rungs)
    waiting = sum(contender.waits and contender.top == rung for contender in ranked)
    best = ranked[0].value_at(rung) if ranked else None
    return SweepRung(rung=rung, step=step, runs=len(ranked), waiting=waiting, promoted=promoted, best_value=best)
