"""The columns of `ls` beside the usual ones: what a filter names, and what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from keepbest.cli.common.formatting import age, number, whole
from keepbest.cli.runs.facts import source_of, took
from keepbest.contract.runs import Run
from keepbest.query.names import read_name
from keepbest.query.terms import Condition, Field, Term, walk
from keepbest.query.writing import write_name

Cell = Callable[[Run, datetime], str]

#: Columns that a list has anyway, or that a row says with another.
_USUAL = frozenset(("id", "project", "number", "name", "state", "reason", "best", "last"))
_CELLS: dict[str, Cell] = {
    "notes": lambda run, now: run.notes,
    "recipe": lambda run, now: source_of(run.spec),
    "worker": lambda run, now: run.worker or "-",
    "user": lambda run, now: run.created_by,
    "sweep": lambda run, now: run.spec.trial.sweep if run.spec.trial else "-",
    "forked_from": lambda run, now: run.spec.forked_from.run if run.spec.forked_from else "-",
    "created": lambda run, now: f"{run.created_at:%Y-%m-%d %H:%M}",
    "started": lambda run, now: f"{run.started_at:%Y-%m-%d %H:%M}" if run.started_at else "-",
    "ended": lambda run, now: f"{run.ended_at:%Y-%m-%d %H:%M}" if run.ended_at else "-",
    "updated": lambda run, now: f"{age(run.updated_at, now)} ago",
    "duration": lambda run, now: took(run) or "-",
    "step": lambda run, now: whole(run.step),
    "tags": lambda run, now: ", ".join(run.tags) or "-",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One column more; `cell` reads what a run says of itself, else the tracker is asked for it by its name."""

    name: str
    head: str
    cell: Cell | None = None

    def show(self, run: Run, now: datetime) -> str:
        value = self.cell(run, now) if self.cell is not None else run.values.get(self.name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return number(value)
        return "-" if value is None else str(value)


def choose_columns(term: Term | None, names: Sequence[str]) -> list[Shown]:
    """Return the columns for what a filter compares and for the names that are asked for, each once."""
    compared = [leaf.field for leaf in walk(term) if isinstance(leaf, Condition)] if term is not None else []
    columns = [_to_column(field) for field in (*map(read_name, names), *compared)]
    return list({column.name: column for column in columns if column is not None}.values())


def _to_column(field: Field) -> Shown | None:
    if field.kind == "tag":
        return Shown("tags", "tags", _CELLS["tags"])
    name = write_name(field)
    if field.kind != "column":
        return Shown(name, f">{field.name}{'' if field.part == 'best' else f'.{field.part}'}")
    if field.name in _USUAL:
        return None
    return Shown(name, field.name, _CELLS.get(field.name))
