"""Panels: pictures of a model at its validations. Each is stored once; the oldest go when a run has too many."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import groupby

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, func, select

from keepbest.contract import panels as contract
from keepbest.contract.panels import MAX_PANEL_BYTES, MAX_PANELS, PanelMade
from keepbest.errors import NotFound
from tracker import db
from tracker.models import PanelTable, ValidationTable
from tracker.store import segments

_DATA: TypeAdapter[contract.PanelData] = TypeAdapter(contract.PanelData)
_COLUMNS = [column for column in PanelTable.__table__.columns if column.name != "data"]


def add_panels(conn: Connection, run_pk: int, made: Sequence[PanelMade]) -> None:
    """Add panels; one that is too large is left out, one that is already there stays as it is."""
    rows = [_row(run_pk, panel) for panel in made]
    small = [row for row in rows if row is not None]
    if small:
        conn.execute(db.insert(conn, PanelTable).on_conflict_do_nothing(), small)
        _let_go(conn, run_pk)


def list_panels(conn: Connection, run_pk: int) -> list[contract.PanelSeries]:
    """Return each panel of a run with the validations at which it was made, without the pictures."""
    path = segments.read_path(conn, run_pk)
    cursor_result = conn.execute(
        select(*_COLUMNS).where(PanelTable.run_pk == run_pk).order_by(PanelTable.name, PanelTable.pk)
    )
    return [_series(name, list(rows), path) for name, rows in groupby(cursor_result, key=lambda row: str(row.name))]


def get_panel(
    conn: Connection, run_pk: int, name: str, *, step: int | None = None, segment: int | None = None
) -> contract.Panel:
    """Return the newest panel of this name, or the newest at a step; raises NotFound where there is none."""
    query = select(*PanelTable.__table__.columns).where(PanelTable.run_pk == run_pk, PanelTable.name == name)
    query = query if step is None else query.where(PanelTable.step == step)
    query = query if segment is None else query.where(PanelTable.segment == segment)
    row = conn.execute(query.order_by(PanelTable.pk.desc()).limit(1)).one_or_none()
    if row is None:
        at = "" if step is None else f" at step {step}"
        raise NotFound(f"There is no panel {name!r}{at}.", field="name", hint="GET …/panels lists those there are.")
    data = _DATA.validate_json(zlib.decompress(row.data))
    return contract.Panel.model_validate({**row._asdict(), "data": data})


def _row(run_pk: int, panel: PanelMade) -> dict[str, object] | None:
    text = panel.data.model_dump_json().encode()
    if len(text) > MAX_PANEL_BYTES:
        return None
    fields = panel.model_dump(include={"segment", "step", "name", "snapshot", "at"})
    return {"run_pk": run_pk, **fields, "kind": panel.data.kind, "data": zlib.compress(text)}


def _series(name: str, rows: list[Row[tuple[object, ...]]], path: segments.LivingPath) -> contract.PanelSeries:
    places = [
        contract.PanelPlace(
            segment=row.segment, step=row.step, snapshot=row.snapshot, ghost=path.is_ghost(row.segment, row.step)
        )
        for row in rows
    ]
    return contract.PanelSeries(name=name, kind=rows[-1].kind, places=places)


def _let_go(conn: Connection, run_pk: int) -> None:
    """Drop the oldest panels beyond the limit; those of a validation with a snapshot stay longest."""
    count = conn.execute(select(func.count()).where(PanelTable.run_pk == run_pk)).scalar_one()
    if count <= MAX_PANELS:
        return
    kept = select(ValidationTable.step).where(
        ValidationTable.run_pk == run_pk,
        ValidationTable.segment == PanelTable.segment,
        ValidationTable.snapshot.is_not(None),
    )
    order = (PanelTable.step.in_(kept), PanelTable.pk)
    oldest = select(PanelTable.pk).where(PanelTable.run_pk == run_pk).order_by(*order).limit(count - MAX_PANELS)
    conn.execute(delete(PanelTable).where(PanelTable.pk.in_(oldest)))
