"""`ls`: the runs that fit a filter as a table, one by one or in groups."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from keepbest.cli.common.formatting import age, at_step, clean, number
from keepbest.cli.common.options import AsJson, ProjectName
from keepbest.cli.common.output import Table, print_json, print_table, warn
from keepbest.cli.runs.columns import Shown, choose_columns
from keepbest.cli.runs.facts import patience_of, state_of
from keepbest.cli.runs.filter_completion import complete_filter
from keepbest.client.client import Client
from keepbest.contract.runs import Run, RunPage
from keepbest.contract.search import RunGroup, RunGroups
from keepbest.figures import duration
from keepbest.outlook import find_outlook
from keepbest.query.names import split_names
from keepbest.query.parser import parse
from keepbest.status import RunState

#: What to type where there is nothing yet.
FIRST = "keepbest submit hvass-cnn --follow"
HEADS = ("id", "project", ">#", "name", "state", "best @ step", ">last", "patience left", ">ends within", ">age")
#: What a narrow terminal has no room for.
SPARE = ("ends within",)

Filter = Annotated[
    str | None,
    typer.Argument(
        metavar="FILTER",
        help="Which runs: `params.learning_rate < 1e-3 and val_loss < 0.1 and tag = vision`, or plain words.",
        autocompletion=complete_filter,
    ),
]
States = Annotated[list[RunState] | None, typer.Option("--state", "-s", help="Only runs in this state; repeatable.")]
Names = Annotated[
    str | None, typer.Option("--columns", "-c", metavar="A,B", help="Parameters and metrics to show as well.")
]
Sort = Annotated[str | None, typer.Option(help="A column, parameter or metric: created, best, val_loss.last, …")]
GroupBy = Annotated[
    str | None,
    typer.Option("--group-by", "-g", metavar="A,B", help="Groups of runs: params.seed, tag, variant, …"),
]


def ls(
    filter: Filter = None,
    project: ProjectName = None,
    state: States = None,
    sort: Sort = None,
    ascending: Annotated[bool, typer.Option("--ascending", "-a", help="Smallest or oldest first.")] = False,
    columns: Names = None,
    group_by: GroupBy = None,
    metric: Annotated[str | None, typer.Option(help="Of groups: the metric that they are compared by.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most this many.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Go on where an earlier list ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first: all, or those that fit a filter. What the filter names is shown as well."""
    states = ",".join(run_state.value for run_state in state) if state else None
    term = parse(filter, datetime.now(UTC)) if filter else None  # a mistake is told before anything is asked
    if group_by is not None:
        _list_groups(filter, project, states, group_by, metric, limit, as_json)
        return
    shown = choose_columns(term, split_names(columns or ""))
    order: Literal["asc"] | None = "asc" if ascending else None
    with Client() as client:
        page = client.runs(
            project=project,
            q=filter,
            state=states,
            sort=sort,
            order=order,
            columns=[column.name for column in shown if column.cell is None],
            count=cursor is None,
            limit=limit,
            cursor=cursor,
        )
    if as_json:
        print_json(page)
        return
    is_narrowed = any((project, states, filter, cursor))
    _print_page(page, shown, _say_empty(filter) if is_narrowed else f"No runs yet. Submit one: {FIRST}")
    if page.cursor:
        fields = {
            "--project": project,
            "--sort": sort,
            "--ascending": ascending,
            "--columns": columns,
            "--limit": limit,
        }
        _tell_next(page, write_next(filter, fields, state or [], page.cursor))


def _say_empty(filter: str | None) -> str:
    return f"No run fits{f' {filter!r}' if filter else ''}. All of them: keepbest ls"


def _print_page(page: RunPage, shown: Sequence[Shown], empty: str) -> None:
    now = datetime.now(UTC)
    table = Table((*HEADS, *(clean(column.head) for column in shown)), empty=empty, spare=SPARE)
    for run in page.runs:
        table.add(*_row(run, now), *(column.show(run, now) for column in shown))
    print_table(table)


def _row(run: Run, now: datetime) -> tuple[object, ...]:
    best = at_step(run.best_value, run.best_step)
    values = (best, number(run.last_value), patience_of(run), _latest(run), age(run.created_at, now))
    return (run.id, run.project, run.number, run.name, state_of(run), *values)


def _latest(run: Run) -> str:
    """Return after how long a run ends at the latest; a dash where nothing limits it, or where it does not train."""
    outlook = find_outlook(run)
    return "-" if outlook is None or outlook.limit is None else duration(outlook.limit)


def _tell_next(page: RunPage, command: str) -> None:
    plus = "+" if page.total_is_least else ""
    more = f" of {page.total - page.total_is_least:,}{plus}" if page.total else ""
    warn(f"These are {len(page.runs)}{more}.\nnext: {command}")


def write_next(filter: str | None, fields: Mapping[str, object], states: Sequence[RunState], cursor: str) -> str:
    """Return the command for the next page of the same list. A filter that begins with a dash stands behind `--`."""
    has_dash = filter is not None and filter.startswith("-")
    words = ["keepbest", "ls", *([filter] if filter and not has_dash else [])]
    for option, value in fields.items():
        words += [option] if value is True else [option, str(value)] if value else []
    for state in states:
        words += ["--state", state.value]
    return shlex.join([*words, "--cursor", cursor, *(["--", str(filter)] if has_dash else [])])


# Groups


def _list_groups(
    filter: str | None, project: str | None, states: str | None, by: str, metric: str | None, limit: int, as_json: bool
) -> None:
    with Client() as client:
        groups = client.groups(split_names(by), project=project, q=filter, state=states, metric=metric, limit=limit)
    if as_json:
        print_json(groups)
        return
    table = Table((*groups.by, *_heads_of(groups)), empty=_say_empty(filter))
    for group in groups.groups:
        table.add(*(_show(group.values.get(name)) for name in groups.by), *_cells_of(group))
    print_table(table)
    if groups.is_cut:
        warn(f"There are more groups than these {len(groups.groups)}; --limit shows more.")


def _heads_of(groups: RunGroups) -> tuple[str, ...]:
    name = groups.metric or "best"
    return (">runs", f">median {name}", ">min", ">max", "best run")


def _cells_of(group: RunGroup) -> tuple[object, ...]:
    best = f"{number(group.best_value)} {group.best_run} ({group.best_name})" if group.best_run else "-"
    return (group.count, number(group.median), number(group.min), number(group.max), best)


def _show(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    return "-" if value is None else str(value)
