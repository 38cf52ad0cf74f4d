"""The next runs of a sweep: read what is known, choose outside any transaction, write each choice in one of its own.

A free place goes to a run that may go on from its rung, and else to a new try. A kill at any instant loses or doubles
nothing: a try is its run and its number in one transaction, and a number is given once; a run is promoted where it
waits only. What was not done is chosen again the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from keepbest.contract.sweeps import SweepRuns, SweepState
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.status import RunState
from keepbest.stopping import Mode
from keepbest.stopping.rungs import Contender, find_leader, find_promotable, rank
from tracker import db, searching
from tracker.db import Engine
from tracker.store import rungs, runs, sweeps

#: First runs after which, where every one of them failed, a sweep makes no more.
HOPELESS = 5


def top_up(engine: Engine, known: SweepRuns, now: datetime) -> str:
    """Give a sweep's free places, or end it where nothing is left to do; say in words what was done."""
    sweep, counts = known.sweep, known.sweep.counts
    active = counts.queued + counts.training
    if _is_hopeless(known):
        message = f"The first {counts.made} runs failed: `keepbest logs {known.runs[-1].run}`."
        return _end(engine, sweep.id, SweepState.FAILED, now, message)
    free = sweep.at_once - active
    promoted = _promote(engine, known, find_going_on(known)[: max(free, 0)], now)
    made = _make(engine, known, min(free - len(promoted), sweep.runs - counts.made), now)
    if counts.made < sweep.runs or active or promoted:
        said = [f"{what} {', '.join(runs)}" for what, runs in (("promoted", promoted), ("made", made)) if runs]
        return f"sweep {sweep.id}: {'; '.join(said)}" if said else ""
    try:
        return _end_halved(engine, known, now)
    except Conflict:
        return ""  # somebody let one of them go on: the sweep goes on too


def find_going_on(known: SweepRuns) -> list[Contender]:
    """Return the runs that may go on from their rungs, in the order in which they get free places."""
    halving, mode = known.sweep.halving, rungs.direction_of(known.sweep.mode)
    return find_promotable(rungs.to_contenders(known.runs), halving.factor, mode) if halving is not None else []


def _promote(engine: Engine, known: SweepRuns, chosen: Sequence[Contender], now: datetime) -> list[str]:
    named, promoted = {run.number: run.run for run in known.runs}, []
    for one in chosen:
        with suppress(Conflict, NotFound), db.write(engine) as conn:  # somebody else let it go on, or ended it
            sweeps.promote(conn, known.sweep.id, named[one.number], one.top, now)
            promoted.append(named[one.number])
    return promoted


def _make(engine: Engine, known: SweepRuns, lacking: int, now: datetime) -> list[str]:
    sweep, first = known.sweep, known.sweep.counts.made + 1
    made: list[str] = []
    if lacking <= 0:
        return made
    chosen = searching.propose(sweep, known.runs, first, lacking)
    try:
        for number, parameters in enumerate(chosen, first):
            with db.write(engine) as conn:
                made.append(sweeps.add_run(conn, sweep.id, number, parameters, now))
    except InvalidInput as error:
        _note(engine, sweep.id, error.message)
    except Conflict:
        pass  # it was ended meanwhile, or somebody else made this try
    return made


def _end_halved(engine: Engine, known: SweepRuns, now: datetime) -> str:
    """End a sweep of which no run may go on; but its best run is trained to its end first."""
    contenders, mode = rungs.to_contenders(known.runs), rungs.direction_of(known.sweep.mode)
    leader = find_leader(contenders, mode)
    if leader is not None:
        return f"sweep {known.sweep.id}: promoted {', '.join(_promote(engine, known, [leader], now))}"
    named, left = {run.number: run.run for run in known.runs}, [one for one in contenders if one.waits]
    for one in left:
        with suppress(NotFound), db.write(engine) as conn:
            rungs.finish(conn, runs.get_run(conn, named[one.number], lock=True), _say(one, contenders, mode), now)
    return _end(engine, known.sweep.id, SweepState.FINISHED, now)


def _say(one: Contender, contenders: Sequence[Contender], mode: Mode) -> str:
    ranked = rank(contenders, one.top, mode)
    return f"Place {ranked.index(one) + 1} of {len(ranked)} at rung {one.top}: not promoted."


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
