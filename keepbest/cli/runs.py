"""`ls`, `show`, `rm`: runs as tables and facts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from keepbest.cli.following import RunFollower
from keepbest.cli.options import AsJson, ProjectName, RunId, Yes
from keepbest.cli.output import Table, print_facts, print_json, print_table, say, warn
from keepbest.cli.words import age, at_step, clean, duration, number, whole
from keepbest.client import Client
from keepbest.contract.looks import Look
from keepbest.contract.runs import CodeSource, RecipeSource, Run, RunSpec
from keepbest.errors import InvalidInput
from keepbest.status import RunState

States = Annotated[list[RunState] | None, typer.Option("--state", "-s", help="Only runs in this state; repeatable.")]


def ls(
    project: ProjectName = None,
    state: States = None,
    search: Annotated[str | None, typer.Option("--search", help="Only runs whose name or tags hold this.")] = None,
    sort: Annotated[str | None, typer.Option(help="created, updated, best, last, patience, duration, …")] = None,
    ascending: Annotated[bool, typer.Option("--ascending", "-a", help="Smallest or oldest first.")] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List runs, the newest first."""
    states = ",".join(one.value for one in state) if state else None
    with Client() as client:
        order: Literal["asc"] | None = "asc" if ascending else None
        page = client.runs(project=project, state=states, search=search, sort=sort, order=order, limit=limit)
    if as_json:
        print_json(page)
        return
    now = datetime.now(UTC)
    heads = ("id", "project", ">#", "name", "state", "best @ step", ">last", "patience left", ">age")
    table = Table(heads, empty="No runs yet. Submit one: keepbest submit hvass-cnn --follow")
    for run in page.runs:
        table.add(*_row(run, now))
    print_table(table)
    if page.cursor:
        more = f" of {page.total:,}" if page.total else ""
        warn(f"These are {len(page.runs)}{more}; more with --limit, or --project, --state and --search.")


def show(
    run: RunId,
    looks: Annotated[bool, typer.Option("--looks", help="Every look with its decision.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one run: what was asked, where it is, how it ended."""
    with Client() as client:
        found = client.run(run)
        if looks:
            ledger = RunFollower(client, found.id, with_looks=True).read().looks
    if looks:
        show_looks(found, ledger, as_json)
    elif as_json:
        print_json(found)
    else:
        print_facts(f"{found.name}  #{found.number} in {found.project}", facts(found, datetime.now(UTC)))
        if found.error and found.error.traceback:
            say("\n" + found.error.traceback)


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or their first letters.")],
    yes: Yes = False,
) -> None:
    """Delete runs that have ended, with their history."""
    with Client() as client:
        found = [client.run(run) for run in runs]
        living = [run.id for run in found if not run.state.is_final]
        if living:
            raise InvalidInput(
                f"Still going on: {', '.join(living)}.", field="run", hint=f"keepbest cancel {living[0]}"
            )
        if not yes:
            names = ", ".join(f"{run.id} ({clean(run.name)})" for run in found)
            typer.confirm(f"Delete {names}?", abort=True)
        for run in found:
            client.delete_run(run.id)
            say(f"Deleted {run.id}.")


def show_looks(run: Run, looks: list[Look], as_json: bool) -> None:
    """The decision ledger."""
    if as_json:
        print_json([look.model_dump(mode="json") for look in looks])
        return
    table = Table((">step", ">" + clean(run.spec.monitor), "", ">wait", ">left", "decision"), empty="No looks yet.")
    for look in looks:
        said = look.decision
        mark = "best" if said.improved else ("abandoned" if look.ghost else "")
        word = f"stop: {said.reason}" if said.stop else said.message
        table.add(f"{look.step:,}", number(look.value, 17), mark, whole(said.wait), whole(said.patience_left), word)
    print_table(table)


def state_of(run: Run) -> str:
    return f"{run.state.value} ({run.stop_reason.value})" if run.stop_reason else run.state.value


def patience_of(run: Run) -> str:
    if run.patience_left is None or run.state.is_final:
        return "-"
    return f"{run.patience_left:,} {run.patience_unit or ''}".strip()


def facts(run: Run, now: datetime) -> list[tuple[str, str]]:
    """Names and values, in the order a person asks for them."""
    spec = run.spec
    error = f"{run.error.code}: {run.error.message}" if run.error else ""
    return [
        ("id", run.id),
        ("state", state_of(run)),
        ("why", run.stop_message or ""),
        ("error", error),
        ("next", (run.error.hint or "") if run.error else ""),
        ("best", f"{spec.monitor} {at_step(run.best_value, run.best_step, 17)}" if run.best_step is not None else ""),
        ("checkpoint", run.best_checkpoint or ""),
        ("last look", at_step(run.last_value, run.last_look_step, 17)),
        ("step", f"{whole(run.step)} of {spec.max_steps:,}" if spec.max_steps else whole(run.step)),
        ("patience left", patience_of(run)),
        ("looks", str(run.looks)),
        ("test", _test_of(run)),
        ("trains", source_of(spec)),
        ("data", spec.data or ""),
        ("parameters", ", ".join(f"{key}={value}" for key, value in spec.parameters.items())),
        ("monitor", f"{spec.monitor} ({run.mode.value}), a look each {spec.validate_every:,} steps"),
        ("seed", str(spec.seed)),
        ("worker", run.worker or ""),
        ("attempt", f"{run.attempt} of {spec.max_attempts}" if run.attempt else ""),
        ("resume", " ".join(part for part in (run.resume, run.resume_note) if part)),
        ("labels", ", ".join(f"{key}={value}" for key, value in spec.labels.items())),
        ("tags", ", ".join(run.tags)),
        ("asked by", f"{run.created_by}, {age(run.created_at, now)} ago"),
        ("took", took(run)),
    ]


def took(run: Run) -> str:
    """How long it has been training; nothing before it began."""
    if run.started_at is None:
        return ""
    return duration(((run.ended_at or datetime.now(UTC)) - run.started_at).total_seconds())


def source_of(spec: RunSpec) -> str:
    if isinstance(spec.source, RecipeSource):
        return f"recipe {spec.source.name}"
    if isinstance(spec.source, CodeSource):
        return f"{spec.source.entry} of bundle {spec.source.bundle[:12]}"
    return "its own script"


def _test_of(run: Run) -> str:
    if run.test is None:
        return ""
    values = ", ".join(f"{key} {number(value)}" for key, value in run.test.values.items())
    return f"{values} on {run.test.n:,} examples, at step {run.test.step:,}"


def _row(run: Run, now: datetime) -> tuple[object, ...]:
    return (
        run.id,
        run.project,
        run.number,
        run.name,
        state_of(run),
        at_step(run.best_value, run.best_step),
        number(run.last_value),
        patience_of(run),
        age(run.created_at, now),
    )
