"""Looks: the decision ledger of a run, one row a validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from keepbest.contract import validations as contract
from keepbest.contract.batches import LookTaken, LookWithdrawn
from tracker import db
from tracker.models import Look
from tracker.store import per_example
from tracker.store.segments import LivingPath


def add_looks(conn: Connection, run_pk: int, taken: Sequence[LookTaken]) -> None:
    """Write looks down, and what they say of their examples; what is there already stays (same segment and step)."""
    if taken:
        rows = [{"run_pk": run_pk, **look.model_dump(exclude={"examples"})} for look in taken]
        conn.execute(db.insert(conn, Look).on_conflict_do_nothing(), rows)
        per_example.add_examples(conn, run_pk, taken)


def withdraw_looks(conn: Connection, run_pk: int, withdrawn: Sequence[LookWithdrawn]) -> None:
    """Take looks back: each is marked, and an entry of its own says why. Said twice it is there once."""
    for said in withdrawn:
        place = {"segment": said.segment, "step": said.step}
        entry = {"decision": said.decision.model_dump(), "note": said.reason, "at": said.at, "metrics": {}}
        row = {"run_pk": run_pk, **place, **entry, "withdraws": True}
        conn.execute(db.insert(conn, Look).values(row).on_conflict_do_nothing())
        mine = (Look.run_pk == run_pk, Look.segment == said.segment, Look.step == said.step)
        conn.execute(update(Look).where(*mine, Look.withdraws.is_(False)).values(is_withdrawn=True))


def list_looks(conn: Connection, run_pk: int, path: LivingPath, *, after: int, limit: int) -> list[contract.Look]:
    """Return the looks after the one with number `after`, in the order in which they were taken."""
    rows = conn.execute(
        select(*Look.__table__.columns).where(Look.run_pk == run_pk, Look.pk > after).order_by(Look.pk).limit(limit)
    )
    return [_show(row, path) for row in rows]


def find_best(conn: Connection, run_pk: int, mode: str, path: LivingPath) -> Row[Any] | None:
    """Return the best look on the living path that is admitted and not taken back, of equal ones the earliest."""
    order = Look.value if mode == "min" else Look.value.desc()
    wanted = (Look.run_pk == run_pk, Look.value.is_not(None), Look.is_withdrawn.is_(False))
    rows = conn.execute(
        select(Look.segment, Look.step, Look.value, Look.decision).where(*wanted).order_by(order, Look.pk)
    )
    alive = (row for row in rows if math.isfinite(row.value) and not path.is_ghost(row.segment, row.step))
    return next((row for row in alive if row.decision.get("is_admitted", True)), None)


def is_withdrawn(conn: Connection, run_pk: int, step: int | None, value: float | None) -> bool:
    """Whether each look of this step and value was taken back; False where there is none."""
    found = select(Look.is_withdrawn).where(Look.run_pk == run_pk, Look.step == step, Look.value == value)
    marks = list(conn.execute(found).scalars())
    return bool(marks) and all(marks)


def _show(row: Row[Any], path: LivingPath) -> contract.Look:
    ghost = path.is_ghost(row.segment, row.step)
    return contract.Look.model_validate({**row._asdict(), "seq": row.pk, "ghost": ghost})
