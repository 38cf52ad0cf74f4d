"""Ends imports: has the monitor judged piece by piece, with no transaction open while a stopper works."""

from __future__ import annotations

from datetime import datetime

from keepbest.contract.imports import ImportEnd, ImportProgress
from tracker import db
from tracker.db import Engine
from tracker.store.imports import ends, imports, judging


def finish(engine: Engine, id: str, end: ImportEnd, *, user: str, now: datetime) -> ImportProgress:
    """Judge the next piece of an imported run's validations; once nothing is left, the import is complete.

    Raises NotFound for a run that was not imported, Conflict for one that went on here since.
    """
    with db.write(engine) as conn:
        run = imports.get_import(conn, id)
        monitor = judging.settle_monitor(conn, run, now)
    with db.read(engine) as conn:
        piece = None if monitor is None else judging.read_piece(conn, run, monitor)
    verdicts = None if piece is None else judging.judge_piece(piece)
    with db.write(engine) as conn:
        run = imports.get_import(conn, id)
        if piece is not None and verdicts is not None:
            judging.record(conn, run, piece, verdicts, now)
        left, unjudged = (0, 0) if monitor is None else judging.count_left(conn, run.pk, monitor)
        if not left:
            ends.complete(conn, run, end, user=user, now=now)
        return ends.show_progress(conn, run, monitor, left, unjudged)
