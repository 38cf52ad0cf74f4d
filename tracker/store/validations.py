"""Validations: the decision log of a run, one row for each validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from keepbest.contract import validations as contract
from keepbest.contract.batches import ReportedValidation, WithdrawnValidation
from tracker import db
from tracker.models import ValidationTable
from tracker.store import per_example
from tracker.store.segments import LivingPath


def add_validations(conn: Connection, run_pk: int, taken: Sequence[ReportedValidation]) -> None:
    """Add validations with the results of their examples; a known segment and step stays as it is."""
    if taken:
        rows = [{"run_pk": run_pk, **validation.model_dump(exclude={"examples"})} for validation in taken]
        conn.execute(db.insert(conn, ValidationTable).on_conflict_do_nothing(), rows)
        per_example.add_examples(conn, run_pk, taken)


def withdraw_validations(conn: Connection, run_pk: int, withdrawn: Sequence[WithdrawnValidation]) -> None:
    """Withdraw validations: mark each, and add a row with the reason. A second withdrawal changes nothing."""
    for withdrawal in withdrawn:
        place = {"segment": withdrawal.segment, "step": withdrawal.step}
        entry = {"decision": withdrawal.decision.model_dump(), "note": withdrawal.reason, "at": withdrawal.at}
        entry["metrics"] = {}
        row = {"run_pk": run_pk, **place, **entry, "withdraws": True}
        conn.execute(db.insert(conn, ValidationTable).values(row).on_conflict_do_nothing())
        mine = (
            ValidationTable.run_pk == run_pk,
            ValidationTable.segment == withdrawal.segment,
            ValidationTable.step == withdrawal.step,
        )
        conn.execute(
            update(ValidationTable).where(*mine, ValidationTable.withdraws.is_(False)).values(is_withdrawn=True)
        )


def list_validations(
    conn: Connection, run_pk: int, path: LivingPath, *, after: int, limit: int
) -> list[contract.RecordedValidation]:
    """Return the validations after number `after`, in the order in which the tracker took them."""
    rows = conn.execute(
        select(*ValidationTable.__table__.columns)
        .where(ValidationTable.run_pk == run_pk, ValidationTable.pk > after)
        .order_by(ValidationTable.pk)
        .limit(limit)
    )
    shown = ({**row._asdict(), "seq": row.pk, "ghost": path.is_ghost(row.segment, row.step)} for row in rows)
    return [contract.RecordedValidation.model_validate(fields) for fields in shown]


def find_best(conn: Connection, run_pk: int, mode: str, path: LivingPath) -> Row[Any] | None:
    """Return the best admitted validation on the living path that is not withdrawn; of equal ones the earliest."""
    order = ValidationTable.value if mode == "min" else ValidationTable.value.desc()
    wanted = (
        ValidationTable.run_pk == run_pk,
        ValidationTable.value.is_not(None),
        ValidationTable.is_withdrawn.is_(False),
    )
    rows = conn.execute(
        select(ValidationTable.segment, ValidationTable.step, ValidationTable.value, ValidationTable.decision)
        .where(*wanted)
        .order_by(order, ValidationTable.pk)
    )
    alive = (row for row in rows if math.isfinite(row.value) and not path.is_ghost(row.segment, row.step))
    return next((row for row in alive if row.decision.get("is_admitted", True)), None)


def is_withdrawn(conn: Connection, run_pk: int, step: int | None, value: float | None) -> bool:
    """Whether every validation of this step and value was withdrawn; False where there is none."""
    query = select(ValidationTable.is_withdrawn).where(
        ValidationTable.run_pk == run_pk, ValidationTable.step == step, ValidationTable.value == value
    )
    marks = list(conn.execute(query).scalars())
    return bool(marks) and all(marks)
