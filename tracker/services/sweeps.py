"""Makes the next runs of a sweep: reads the results, chooses outside any transaction, writes each choice in its own.

A free place goes to a run that may go on from its rung, and else to a new try. A kill at any instant loses or doubles
nothing: a try is its run and its number in one transaction, and a number is given once; a run is promoted where it
waits only. What was not done is chosen again the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from keepbest.contract.sweeps import SweepCounts, SweepState
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.stopping import Mode
from keepbest.stopping.rungs import Contender, find_leader, rank
from tracker import db
from tracker.db import Engine
from tracker.services import samplers
from tracker.store import runs
from tracker.store.sweeps import rungs, sweeps
from tracker.store.sweeps.due import Due
from tracker.store.sweeps.promotions import Promotable

#: First runs after which, where every one of them failed, a sweep makes no more.
HOPELESS = 5


def top_up(engine: Engine, due: Due, now: datetime) -> str:
    """Give a sweep's free places, or end it where nothing is left to do; say in words what was done."""
    if _is_hopeless(due.counts):
        return _end_hopeless(engine, due, now)
    promoted = _promote(engine, due.id, due.promotable, now)
    made = _make(engine, due, min(due.free - len(promoted), due.lacks), now)
    if due.lacks or due.active or promoted:
        texts = [f"{what} {', '.join(runs)}" for what, runs in (("promoted", promoted), ("made", made)) if runs]
        return f"sweep {due.id}: {'; '.join(texts)}" if texts else ""
    try:
        return _end_halved(engine, due.id, now)
    except Conflict:
        return ""  # somebody let one of them go on: the sweep goes on too


def _promote(engine: Engine, sweep: str, chosen: Sequence[Promotable], now: datetime) -> list[str]:
    promoted = []
    for promotable in chosen:
        with suppress(Conflict, NotFound), db.write(engine) as conn:  # somebody else let it go on, or ended it
            sweeps.promote(conn, sweep, promotable.run, promotable.rung, now)
            promoted.append(promotable.run)
    return promoted


def _make(engine: Engine, due: Due, lacking: int, now: datetime) -> list[str]:
    first = due.counts.made + 1
    made: list[str] = []
    if lacking <= 0:
        return made
    with db.read(engine) as conn:
        sweep, runs = sweeps.read_for_choice(conn, due.id)
    chosen = samplers.propose(sweep, runs, first, lacking)
    try:
        for number, parameters in enumerate(chosen, first):
            with db.write(engine) as conn:
                made.append(sweeps.add_run(conn, sweep.id, number, parameters, now))
    except InvalidInput as error:
        _note(engine, sweep.id, error.message)
    except Conflict:
        pass  # it was ended meanwhile, or somebody else made this try
    return made


def _end_halved(engine: Engine, sweep: str, now: datetime) -> str:
    """End a sweep of which no run may go on; but its best run is trained to its end first."""
    with db.read(engine) as conn:
        known = sweeps.list_runs(conn, sweeps.get_sweep(conn, sweep))
    if known.sweep.counts.queued or known.sweep.counts.training:
        raise Conflict(f"A run of sweep {sweep} goes on.")
    contenders, mode = rungs.to_contenders(known.runs), rungs.direction_of(known.sweep.mode)
    named, leader = {run.number: run.run for run in known.runs}, find_leader(contenders, mode)
    if leader is not None:
        going_on = [Promotable(named[leader.number], leader.top)]
        return f"sweep {sweep}: promoted {', '.join(_promote(engine, sweep, going_on, now))}"
    for contender in (contender for contender in contenders if contender.waits):
        with suppress(NotFound), db.write(engine) as conn:
            rungs.finish(
                conn, runs.get_run(conn, named[contender.number], lock=True), _say(contender, contenders, mode), now
            )
    return _end(engine, sweep, SweepState.FINISHED, now)


def _say(contender: Contender, contenders: Sequence[Contender], mode: Mode) -> str:
    ranked = rank(contenders, contender.top, mode)
    return f"Place {ranked.index(contender) + 1} of {len(ranked)} at rung {contender.top}: not promoted."


def _is_hopeless(counts: SweepCounts) -> bool:
    there = counts.queued + counts.training + counts.paused + counts.finished + counts.failed + counts.cancelled
    return counts.failed >= HOPELESS and counts.failed == there


def _end_hopeless(engine: Engine, due: Due, now: datetime) -> str:
    with db.read(engine) as conn:
        last = sweeps.list_runs(conn, sweeps.get_sweep(conn, due.id)).runs[-1].run
    message = f"The first {due.counts.made} runs failed: `keepbest logs {last}`."
    return _end(engine, due.id, SweepState.FAILED, now, message)


def _end(engine: Engine, sweep: str, to: SweepState, now: datetime, message: str | None = None) -> str:
    with db.write(engine) as conn:
        sweeps.end(conn, sweeps.get_sweep(conn, sweep, lock=True), to, now, message)
    return f"sweep {sweep}: {to.value}"


def _note(engine: Engine, sweep: str, message: str) -> None:
    with db.write(engine) as conn:
        sweeps.note(conn, sweeps.get_sweep(conn, sweep, lock=True), message)
