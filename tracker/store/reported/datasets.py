"""Data sets that a run says it used: kept as they were sent, found by name, digest and context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, cast, func, select

from keepbest.errors import InvalidInput
from tracker import db
from tracker.models import RunDatasetTable
from tracker.store.runs import RunRow

#: Data sets of one run, and characters of their documents in all.
MAX_DATASETS, MAX_CHARACTERS = 1000, 4 * 2**20


@dataclass(frozen=True, slots=True)
class UsedDataset:
    """One data set; `document` is what the client sent of it and its use."""

    name: str
    digest: str
    context: str
    document: Mapping[str, Any]


def add_datasets(conn: Connection, run: RunRow, used: Sequence[UsedDataset]) -> None:
    """Add data sets to a run; one that it has already stays as it is. Raises InvalidInput for too many."""
    if not used:
        return
    rows = [
        {"run_pk": run.pk, "project_pk": run.project_pk, "document": dict(each.document)}
        | {"name": each.name, "digest": each.digest, "context": each.context}
        for each in used
    ]
    conn.execute(db.insert(conn, RunDatasetTable).on_conflict_do_nothing(), rows)
    written = func.length(cast(RunDatasetTable.document, Text))
    summed = select(func.count(), func.sum(written)).where(RunDatasetTable.run_pk == run.pk)
    count, characters = conn.execute(summed).one()
    if count > MAX_DATASETS:
        raise InvalidInput(f"A run has at most {MAX_DATASETS:,} datasets, but this would have {count:,}.")
    if characters > MAX_CHARACTERS:
        message = f"The datasets of a run have at most {MAX_CHARACTERS:,} characters, but these {characters:,}."
        raise InvalidInput(message, field="datasets", hint="Leave out their profiles.")


def read_datasets(conn: Connection, run_pks: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return the documents of each run's data sets, by name."""
    table = RunDatasetTable
    query = select(table.run_pk, table.document).where(table.run_pk.in_(run_pks)).order_by(table.name, table.digest)
    documents: dict[int, list[dict[str, Any]]] = {pk: [] for pk in run_pks}
    for row in conn.execute(query):
        documents[row.run_pk].append(row.document)
    return documents
