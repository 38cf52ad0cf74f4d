"""Makes the next runs of a sweep: reads the results, chooses outside any transaction, writes each choice in its own.

A free place goes to a run that may go on from its rung, or else to a new trial. A kill at any moment loses nothing and
makes nothing twice: one transaction writes a trial's run and number, each number is given once, and only a run that
waits is promoted. The next call chooses again what was not done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from keepbest.contract.sweeps import SweepState
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.stopping.rungs import find_leader, rank
from tracker import db
from tracker.db import Engine
from tracker.services import samplers
from tracker.store import runs
from tracker.store.sweeps import rungs, sweeps
from tracker.store.sweeps.due import Due
from tracker.store.sweeps.promotions import Promotable

#: A sweep ends when its first runs, this many, have all failed.
HOPELESS = 5


def top_up(engine: Engine, due: Due, now: datetime) -> str:
    """Fill a sweep's free places, or end the sweep where nothing is left to do; return in words what was done."""
    counts = due.counts
    there = counts.queued + counts.training + counts.paused + counts.finished + counts.failed + counts.cancelled
    if counts.failed >= HOPELESS and counts.failed == there:
        return _end_hopeless(engine, due, now)
    promoted = _promote(engine, due.id, due.promotable, now)
    made = _make(engine, due, min(due.free - len(promoted), due.lacks), now)
    if due.lacks or due.active or promoted:
        texts = [f"{what} {', '.join(runs)}" for what, runs in (("promoted", promoted), ("made", made)) if runs]
        return f"sweep {due.id}: {'; '.join(texts)}" if texts else ""
    try:
        return _end_halved(engine, due.id, now)
    except Conflict:
        return ""  # somebody resumed one of its runs: the sweep goes on too


def _promote(engine: Engine, sweep: str, chosen: Sequence[Promotable], now: datetime) -> list[str]:
    promoted = []
    for promotable in chosen:
        with suppress(Conflict, NotFound), db.write(engine) as conn:  # somebody has resumed or ended the run
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
        with db.write(engine) as conn:
            sweeps.note(conn, sweeps.get_sweep(conn, sweep.id, lock=True), error.message)
    except Conflict:
        pass  # the sweep has ended, or another scheduler made this trial
    return made


def _end_halved(engine: Engine, sweep: str, now: datetime) -> str:
    """End a sweep of which no run may go on; but train its best run to the end first."""
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
        ranked = rank(contenders, contender.top, mode)
        place = f"Place {ranked.index(contender) + 1} of {len(ranked)} at rung {contender.top}"
        with suppress(NotFound), db.write(engine) as conn:
            run = runs.get_run(conn, named[contender.number], lock=True)
            rungs.finish(conn, run, f"{place}: not promoted.", now)
    return _end(engine, sweep, SweepState.FINISHED, now)


def _end_hopeless(engine: Engine, due: Due, now: datetime) -> str:
    with db.read(engine) as conn:
        last = sweeps.list_runs(conn, sweeps.get_sweep(conn, due.id)).runs[-1].run
    message = f"The first {due.counts.made} runs failed: `keepbest logs {last}`."
    return _end(engine, due.id, SweepState.FAILED, now, message)


def _end(engine: Engine, sweep: str, to: SweepState, now: datetime, message: str | None = None) -> str:
    with db.write(engine) as conn:
        sweeps.end(conn, sweeps.get_sweep(conn, sweep, lock=True), to, now, message)
    return f"sweep {sweep}: {to.value}"
