"""How runs came about: what is too large for a run's row, one row a run."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from keepbest.contract.provenance import Provenance
from tracker.models import RunProvenanceTable as Table


def put_provenance(conn: Connection, run_pk: int, provenance: Provenance) -> None:
    """Write how a run's attempt came about, in place of what an earlier attempt said."""
    conn.execute(delete(Table).where(Table.run_pk == run_pk))
    conn.execute(insert(Table).values(run_pk=run_pk, provenance=provenance.model_dump(mode="json")))


def get_provenance(conn: Connection, run_pk: int) -> Provenance:
    """Return how a run came about; empty where nothing was recorded."""
    known = conn.execute(select(Table.provenance).where(Table.run_pk == run_pk)).scalar_one_or_none()
    return Provenance.model_validate(known or {})
