"""Groups of runs: those that a filter means, by the values of some fields, with one metric's median and range."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from sqlalchemy import Connection, select

from keepbest.contract.runs import Mode
from keepbest.contract.search import RunGroup, RunGroups
from keepbest.errors import InvalidInput
from keepbest.query.terms import Field
from tracker.models import RunTable
from tracker.store.access.users import Principal
from tracker.store.search.fields import mode_of, value_of
from tracker.store.search.listing import RunSearch, resolve_search
from tracker.store.search.names import read_value
from tracker.store.search.plan import Plan
from tracker.store.search.scope import Scope, open_scope

#: Runs that are grouped at most.
MAX_RUNS = 100_000
MAX_FIELDS = 5
#: Runs of all groups together, each as often as its tags put it into groups.
MAX_MEMBERS = 500_000


@dataclass(slots=True)
class Gathered:
    """The runs that have the same values: how many, and each one's value of the metric where it has one."""

    values: tuple[Any, ...]
    count: int = 0
    measured: list[tuple[float, int]] = field(default_factory=list)


def group_runs(
    conn: Connection, search: RunSearch, metric: str | None, *, limit: int, principal: Principal | None = None
) -> RunGroups:
    """Return the groups by the search's `columns`, the largest first; without a metric, the monitored one's best."""
    if not 1 <= len(search.columns) <= MAX_FIELDS:
        raise InvalidInput(f"Runs are grouped by 1 to {MAX_FIELDS} fields.", field="by", hint="by=recipe,params.units")
    scope = open_scope(conn, search.project, principal)
    measured = RunSearch(search.project, search.term, search.text, metric or "best", columns=search.columns)
    term, value, by = resolve_search(conn, scope, measured)
    pks, is_more = Plan(conn, scope, term, MAX_RUNS).list_all(MAX_RUNS)
    if is_more:
        hint = "Narrow the filter, for example: created > 30 days ago"
        raise InvalidInput(f"More than {MAX_RUNS:,} runs match: too many to group.", field="q", hint=hint)
    rows = _read_rows(conn, scope, pks, [*by.values()], value)
    mode = _find_mode(conn, scope, pks, value)
    groups = sorted(_gather(rows, [*by.values()]), key=lambda group: (-group.count, repr(group.values)))
    named = _name_runs(conn, scope, [_best(group, mode) for group in groups[:limit]])
    shown = [_show(group, [*by], _best(group, mode), named) for group in groups[:limit]]
    return RunGroups(by=[*by], metric=metric, mode=mode, groups=shown, is_cut=len(groups) > limit)


def _read_rows(conn: Connection, scope: Scope, pks: Sequence[int], by: Sequence[Field], value: Field) -> Iterator[Any]:
    """Yield the number, the metric and the fields of each run."""
    if not pks:
        return iter(())
    columns = [RunTable.tags if each.kind == "tag" else value_of(each, is_sqlite=scope.is_sqlite) for each in by]
    measured = value_of(value, is_sqlite=scope.is_sqlite)
    query = select(RunTable.pk, measured, *(column.label(f"by{number}") for number, column in enumerate(columns)))
    return iter(conn.execute(query.where(scope.among(RunTable.pk, pks))))


def _gather(rows: Iterator[Any], by: Sequence[Field]) -> list[Gathered]:
    groups: dict[tuple[Any, ...], Gathered] = {}
    members = 0
    for pk, value, *others in rows:
        each = [_list_tags(item, of) if of.kind == "tag" else [item] for item, of in zip(others, by, strict=True)]
        members += math.prod(map(len, each))
        if members > MAX_MEMBERS:
            message = f"The runs are in more than {MAX_MEMBERS:,} groups by these fields, each counted for each run."
            raise InvalidInput(message, field="by", hint="Group by fewer fields, or by tags of one name: tags.team")
        for values in product(*each):
            group = groups.setdefault(values, Gathered(values))
            group.count += 1
            if isinstance(value, int | float) and value == value:  # NaN is no value
                group.measured.append((value, pk))
    for group in groups.values():
        group.values = tuple(
            read_value(item) if of.kind == "parameter" and item is not None else item
            for item, of in zip(group.values, by, strict=True)
        )
    return list(groups.values())


def _list_tags(tags: Sequence[str], of: Field) -> list[str | None]:
    """A run with several tags is in several groups."""
    beginning = f"{of.name}=" if of.name else ""
    return [tag.removeprefix(beginning) for tag in dict.fromkeys(tags) if tag.startswith(beginning)] or [None]


def _find_mode(conn: Connection, scope: Scope, pks: Sequence[int], value: Field) -> Mode | None:
    """Return the direction of the metric's name, or that of the runs that monitor it, where these agree."""
    if value.kind == "metric" and (known := mode_of(value.name)) is not None:
        return known
    if not pks:
        return None
    monitors = [RunTable.monitor == value.name] if value.kind == "metric" else []
    modes = select(RunTable.mode).where(scope.among(RunTable.pk, pks), *monitors).distinct()
    directions = [Mode(mode) for mode in conn.execute(modes).scalars() if mode != Mode.AUTO]
    return directions[0] if len(directions) == 1 else None


def _best(group: Gathered, mode: Mode | None) -> tuple[float, int] | None:
    if mode is None or not group.measured:
        return None
    sign = 1 if mode is Mode.MIN else -1
    return min(group.measured, key=lambda run: (sign * run[0], run[1]))


def _name_runs(conn: Connection, scope: Scope, best: Sequence[tuple[float, int] | None]) -> dict[int, Any]:
    pks = [run[1] for run in best if run is not None]
    if not pks:
        return {}
    query = select(RunTable.pk, RunTable.id, RunTable.name).where(scope.among(RunTable.pk, pks))
    return {row.pk: row for row in conn.execute(query)}


def _show(group: Gathered, by: Sequence[str], best: tuple[float, int] | None, named: dict[int, Any]) -> RunGroup:
    values = [value for value, _ in group.measured]
    run = named.get(best[1]) if best else None
    return RunGroup(
        values=dict(zip(by, group.values, strict=True)),
        count=group.count,
        measured=len(values),
        median=statistics.median(values) if values else None,
        min=min(values, default=None),
        max=max(values, default=None),
        best_run=run and run.id,
        best_name=run and run.name,
        best_value=best[0] if best else None,
    )
