"""Entries: the rows by which runs are found, written with the run: its parameters and tags, each with an index.

What a run is sorted, filtered and grouped by in its own row (`recipe`, `variant`, …) is found here as well.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, update

from keepbest.query.values import to_number
from tracker.models import MetricSummaryTable, RunDatasetTable, RunKeyedTagTable, RunParameterTable, RunTagTable
from tracker.store.search.variants import find_variant

#: Characters of a parameter's text, and of a recipe's name, that an index holds.
MAX_TEXT = 300


def describe_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a spec (as JSON) stands in columns of the run."""
    origin = spec.get("forked_from") or {}
    return {
        "monitor": spec["monitor"],
        "recipe": name_recipe(spec["source"]),
        "forked_from": origin.get("run"),
        "commit": (spec["source"].get("git") or {}).get("commit"),
        "variant": find_variant(spec),
    }


def name_recipe(source: Mapping[str, Any]) -> str | None:
    """Return the recipe's name, the file and function, or a command's script; None for a script's own run."""
    argv = source.get("argv") or []
    script = next((word for word in argv if word.endswith((".py", ".sh"))), argv[0] if argv else None)
    name = source.get("name") or source.get("entry") or script
    return None if name is None else str(name)[:MAX_TEXT]


def add_parameters(conn: Connection, run_pk: int, project_pk: int, parameters: Mapping[str, Any]) -> None:
    """Write the parameters of a run that has none yet."""
    rows = [
        {"run_pk": run_pk, "key": key, "project_pk": project_pk, **value} for key, value in _read_parameters(parameters)
    ]
    if rows:
        conn.execute(insert(RunParameterTable), rows)


def replace_parameters(conn: Connection, run_pk: int, project_pk: int, parameters: Mapping[str, Any]) -> None:
    """Write the parameters of a run in place of those that it had."""
    conn.execute(delete(RunParameterTable).where(RunParameterTable.run_pk == run_pk))
    add_parameters(conn, run_pk, project_pk, parameters)


def add_tags(conn: Connection, run_pk: int, project_pk: int, tags: Sequence[str]) -> None:
    """Write the tags of a run that has none yet."""
    rows = [{"run_pk": run_pk, "tag": tag, "project_pk": project_pk} for tag in sorted(set(tags))]
    if rows:
        conn.execute(insert(RunTagTable), rows)


def replace_tags(conn: Connection, run_pk: int, project_pk: int, tags: Sequence[str]) -> None:
    """Write the tags of a run in place of those that it had."""
    conn.execute(delete(RunTagTable).where(RunTagTable.run_pk == run_pk))
    add_tags(conn, run_pk, project_pk, tags)


def move_entries(conn: Connection, run_pk: int, project_pk: int) -> None:
    """Have a run be found in another project; what changes `runs.project_pk` calls this with it."""
    for table in (MetricSummaryTable, RunParameterTable, RunTagTable, RunKeyedTagTable, RunDatasetTable):
        conn.execute(update(table).where(table.run_pk == run_pk).values(project_pk=project_pk))


def _read_parameters(parameters: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each parameter that has a value, with its number and text; NaN is no value."""
    for key, value in parameters.items():
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            text = value if isinstance(value, str) else json.dumps(value)
            yield key, {"number": read_number(value), "text": text[:MAX_TEXT]}


def read_number(value: Any) -> float | None:
    """Return a number, or a text that reads as a finite one, as a float; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    return to_number(value.strip()) if isinstance(value, str) else float(value)
