"""The next runs of a sweep: read what is known, choose outside any transaction, write each try in one of its own.

A kill at any instant loses or doubles nothing: a try is its run and its number in one transaction, and a number is
given once. What was not made is chosen again the next time.
"""

from __future__ import annotations

from datetime import datetime

from keepbest.contract.sweeps import SweepRuns, SweepState
from keepbest.errors import Conflict, InvalidInput
from keepbest.status import RunState
from tracker import db, searching
from tracker.db import Engine
from tracker.store import sweeps

#: First runs after which, where every one of them failed, a sweep makes no more.
HOPELESS = 5


def top_up(engine: Engine, known: SweepRuns, now: datetime) -> str:
    """Make the runs that a sweep lacks, or end it where nothing is left to do; say in words what was done."""
    sweep, counts = known.sweep, known.sweep.counts
    active = counts.queued + counts.training
    if _is_hopeless(known):
        message = f"The first {counts.made} runs failed: `keepbest logs {known.runs[-1].run}`."
        return _end(engine, sweep.id, SweepState.FAILED, now, message)
    if counts.made >= sweep.runs:
        return _end(engine, sweep.id, SweepState.FINISHED, now) if not active else ""
    lacking = min(sweep.at_once - active, sweep.runs - counts.made)
    chosen = searching.propose(sweep, known.runs, counts.made + 1, lacking)
    made = []
    try:
        for number, parameters in enumerate(chosen, counts.made + 1):
            with db.write(engine) as conn:
                made.append(sweeps.add_run(conn, sweep.id, number, parameters, now))
    except InvalidInput as error:
        _note(engine, sweep.id, error.message)
    except Conflict:
        pass  # it was ended meanwhile, or somebody else made this try
    return f"sweep {sweep.id}: made {', '.join(made)}" if made else ""


def _is_hopeless(known: SweepRuns) -> bool:
    failed = known.sweep.counts.failed
    return failed >= HOPELESS and all(run.state is RunState.FAILED for run in known.runs)


def _end(engine: Engine, sweep: str, to: SweepState, now: datetime, message: str | None = None) -> str:
    with db.write(engine) as conn:
        sweeps.end(conn, sweeps.get_sweep(conn, sweep, lock=True), to, now, message)
    return f"sweep {sweep}: {to.value}"


def _note(engine: Engine, sweep: str, message: str) -> None:
    with db.write(engine) as conn:
        sweeps.note(conn, sweeps.get_sweep(conn, sweep, lock=True), message)
