"""Sweeps: creates, finds, shows and ends them, and makes their runs. Results are read from the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, case, func, insert, select, update

from keepbest.contract import sweeps as contract
from keepbest.contract.base import ID_ALPHABET, ID_LENGTH, MIN_PREFIX, new_id
from keepbest.contract.runs import Mode
from keepbest.contract.runs import Trial as TrialName
from keepbest.contract.sweeps import SweepRequest, SweepState
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.status import RunState, StopReason
from tracker import models
from tracker.models import ProjectTable, RunTable, SweepTable
from tracker.store import commands, cursors, events, projects, runs, submissions
from tracker.store.access import audit
from tracker.store.search.visibility import visible
from tracker.store.selections import VALUE
from tracker.store.sweeps import rungs, trials

SweepRow = Row[Any]

_STATES = {RunState.LEASED: "training", RunState.RUNNING: "training"}
_HINT = "`keepbest sweeps` lists them."


def create(conn: Connection, request: SweepRequest, *, user: str, key: str | None, now: datetime) -> contract.Sweep:
    """Check a request and begin its sweep; the same request under the same idempotency `key` returns the same sweep.

    The scheduler makes its runs. Raises InvalidInput that names the wrong field.
    """
    settled, spec = trials.settle(conn, request)
    project = projects.ensure_project(conn, request.run.project, user=user, now=now)
    same_key = _select().where(SweepTable.created_by == user, SweepTable.idempotency_key == key)
    known = conn.execute(same_key).one_or_none() if key is not None else None
    if known is not None:
        if read_spec(known) != settled:
            raise Conflict(f"This idempotency key belongs to sweep {known.id}.", hint="Use a fresh key for each sweep.")
        return show(conn, [known])[0]
    row = {
        "id": new_id(),
        "project_pk": project.pk,
        "name": request.run.name or spec.name,
        "state": SweepState.RUNNING.value,
        "spec": settled.model_dump(mode="json"),
        "created_by": user,
        "created_at": now,
        "idempotency_key": key,
    }
    conn.execute(insert(SweepTable).values(**row))
    made = get_sweep(conn, str(row["id"]))
    audit.record(conn, user, "sweep.create", made.id, now, {"name": made.name, "project": made.project})
    _announce(conn, made, "sweep.created", now)
    return show(conn, [made])[0]


def get_sweep(conn: Connection, reference: str, *, lock: bool = False) -> SweepRow:
    """Return the sweep with this id or unique beginning of an id. Raises NotFound or InvalidInput."""
    fits = MIN_PREFIX <= len(reference) <= ID_LENGTH and not set(reference) - set(ID_ALPHABET)
    last = reference.ljust(ID_LENGTH, ID_ALPHABET[-1])
    query = _select().where(SweepTable.id.between(reference, last)).order_by(SweepTable.pk.desc()).limit(5)
    rows = conn.execute(query.with_for_update(of=SweepTable.__table__) if lock else query).all() if fits else []
    if not rows:
        raise NotFound(f"There is no sweep {reference!r}.", field="sweep", hint=_HINT)
    if len(rows) > 1:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise InvalidInput(f"{reference!r} begins several ids: {names}.", field="sweep", hint="Write more of the id.")
    return rows[0]


def list_living(conn: Connection) -> Sequence[SweepRow]:
    """Return the running sweeps, the oldest first."""
    return conn.execute(_select().where(SweepTable.state == SweepState.RUNNING.value).order_by(SweepTable.pk)).all()


def list_sweeps(
    conn: Connection, *, project: str | None, state: SweepState | None, cursor: str | None, limit: int
) -> contract.SweepPage:
    """Return a page of sweeps, the newest first; none of a deleted project whose name has begun anew."""
    there = projects.select_pks() if project is None else [projects.get_pk(conn, project)]
    wanted: list[ColumnElement[bool]] = [SweepTable.project_pk.in_(there), SweepTable.created_at >= _begun()]
    wanted += [SweepTable.state == state.value] if state is not None else []
    total = (
        conn.execute(select(func.count()).select_from(SweepTable).where(*wanted)).scalar_one() if not cursor else None
    )
    query = _select().where(*wanted).order_by(SweepTable.pk.desc()).limit(limit + 1)
    if cursor is not None:
        (last,) = cursors.read(cursor, "sweeps", int)
        query = query.where(SweepTable.pk < last)
    rows = conn.execute(query).all()
    more = cursors.write("sweeps", [rows[limit - 1].pk]) if len(rows) > limit else None
    return contract.SweepPage(sweeps=show(conn, rows[:limit]), cursor=more, total=total)


def list_runs(conn: Connection, row: SweepRow) -> contract.SweepRuns:
    """Return a sweep with all its runs that were not deleted."""
    query = _select_runs().where(models.TrialTable.sweep_pk == row.pk, visible(None))
    rows, sweep = conn.execute(query.order_by(models.TrialTable.number)).all(), show(conn, [row])[0]
    if sweep.halving is None:
        return contract.SweepRuns(sweep=sweep, runs=[_show_run(item) for item in rows])
    marks = rungs.list_marks(conn, row.pk)
    made = [_show_run(item).model_copy(update={"rungs": marks[item.number]}) for item in rows]
    summed = rungs.sum_up(sweep.halving, made, rungs.direction_of(sweep.mode))
    return contract.SweepRuns(sweep=sweep, runs=made, rungs=summed)


def read_for_choice(conn: Connection, sweep: str) -> tuple[contract.Sweep, list[contract.SweepRun]]:
    """Return a sweep with the runs from which TPE chooses the next parameters; without runs for another search."""
    row = get_sweep(conn, sweep)
    if read_spec(row).search is not contract.Search.TPE:
        return show(conn, [row])[0], []
    known = list_runs(conn, row)
    return known.sweep, known.runs


def add_run(conn: Connection, sweep: str, number: int, parameters: dict[str, Any], now: datetime) -> str:
    """Make the run of a trial and return its id; raises Conflict where the sweep has ended or the trial was made."""
    row = get_sweep(conn, sweep, lock=True)
    made = select(func.max(models.TrialTable.number)).where(models.TrialTable.sweep_pk == row.pk)
    if row.state != SweepState.RUNNING or number != (conn.execute(made).scalar() or 0) + 1:
        raise Conflict(f"Sweep {sweep} has made trial {number} already, or has ended.")
    request = trials.make_request(read_spec(row), parameters, number)
    trial = TrialName(sweep=row.id, number=number)
    run = submissions.submit(conn, request, user=row.created_by, key=None, now=now, trial=trial)
    values = {"sweep_pk": row.pk, "number": number, "run_pk": run.pk, "parameters": parameters}
    conn.execute(insert(models.TrialTable).values(**values))
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(sweep_pk=row.pk))
    note(conn, row, None)
    return str(run.id)


def promote(conn: Connection, sweep: str, run: str, rung: int, now: datetime) -> None:
    """Queue a run that waits at a rung; raises Conflict where the sweep has ended or the run no longer waits."""
    if get_sweep(conn, sweep, lock=True).state != SweepState.RUNNING:
        raise Conflict(f"Sweep {sweep} has ended.", field="sweep")
    rungs.promote(conn, runs.get_run(conn, run, lock=True), rung, now)


def note(conn: Connection, row: SweepRow, message: str | None) -> None:
    """Store why no run could be made; None clears the message."""
    if row.message != message:
        conn.execute(update(SweepTable).where(SweepTable.pk == row.pk).values(message=message))


def end(conn: Connection, row: SweepRow, to: SweepState, now: datetime, message: str | None = None) -> SweepRow:
    """End a running sweep; one that has ended stays as it is."""
    values = {"state": to.value, "ended_at": now, "message": message}
    running = update(SweepTable).where(SweepTable.pk == row.pk, SweepTable.state == SweepState.RUNNING.value)
    if conn.execute(running.values(**values)).rowcount:
        row = get_sweep(conn, row.id)
        _announce(conn, row, "sweep.state", now)
    return row


def cancel(conn: Connection, row: SweepRow, *, user: str, now: datetime) -> SweepRow:
    """End a sweep and cancel its runs that have not ended; a second cancel changes nothing."""
    if row.state != SweepState.RUNNING:
        return row
    active = _select_runs().where(models.TrialTable.sweep_pk == row.pk, RunTable.state.in_(projects.ACTIVE))
    for item in conn.execute(active.where(visible(None))).all():
        commands.cancel_run(conn, runs.get_run(conn, item.run, lock=True), user=user, now=now)
    audit.record(conn, user, "sweep.cancel", row.id, now)
    return end(conn, row, SweepState.CANCELLED, now, f"cancelled by {user}")


def show(conn: Connection, rows: Sequence[SweepRow]) -> list[contract.Sweep]:
    """Return rows as the API shows them."""
    counts = count_runs(conn, [row.pk for row in rows])
    return [_show(conn, row, counts[row.pk]) for row in rows]


def _show(conn: Connection, row: SweepRow, counts: contract.SweepCounts) -> contract.Sweep:
    spec = read_spec(row)
    mode = resolve_mode(conn, row, spec)
    values = {**row._mapping, **{name: getattr(spec, name) for name in ("space", "search", "seed", "runs", "at_once")}}
    # A command names its metric itself, so that only its first run shows it.
    first = _trial_runs(row, RunTable.spec["monitor"].as_string()).order_by(models.TrialTable.number).limit(1)
    selector = spec.run.selector
    shown: dict[str, Any] = {
        "halving": rungs.find_halving(spec.run.stopper),
        "selector": selector if selector is not None and selector.name != "best" else None,
        "monitor": spec.run.monitor or conn.execute(first).scalar() or "?",
        "mode": mode,
        "counts": counts,
        "best": _find_best(conn, row, mode),
        "source": trials.describe_source(spec),
    }
    return contract.Sweep.model_validate(values | shown)


def resolve_mode(conn: Connection, row: SweepRow, spec: SweepRequest) -> Mode:
    """Return the mode of the request, or as the first trainer resolved it; auto until then."""
    if spec.run.mode not in (None, Mode.AUTO):
        return spec.run.mode
    resolved = conn.execute(_trial_runs(row, RunTable.mode).where(RunTable.mode != Mode.AUTO.value).limit(1)).scalar()
    return Mode(resolved or Mode.AUTO)


def _find_best(conn: Connection, row: SweepRow, mode: Mode) -> contract.SweepRun | None:
    """Return the run whose restore has the best value; a run that was not promoted only where there is no other.

    A run that was not promoted has its best validation's value, which may beat the values that a cautious selector,
    such as one standard error, chose in runs that went further.
    """
    halved = (RunTable.state == RunState.FINISHED.value) & (RunTable.stop_reason == StopReason.SUCCESSIVE_HALVING.value)
    order = VALUE.desc() if mode is Mode.MAX else VALUE.asc()
    query = _select_runs().where(models.TrialTable.sweep_pk == row.pk, visible(None), VALUE.is_not(None))
    best = conn.execute(query.order_by(case((halved, 1), else_=0), order, models.TrialTable.number).limit(1)).first()
    return _show_run(best) if best else None


def _trial_runs(row: SweepRow, column: Any) -> Select[Any]:
    return (
        select(column)
        .join(models.TrialTable, models.TrialTable.run_pk == RunTable.pk)
        .where(models.TrialTable.sweep_pk == row.pk)
    )


def count_runs(conn: Connection, pks: Iterable[int]) -> dict[int, contract.SweepCounts]:
    """Return for each sweep how many runs were made, and how many of those not deleted are in each state."""
    there = visible(None)
    grouped = select(RunTable.sweep_pk, RunTable.state, there.label("there"), func.count().label("runs"))
    counts: dict[int, Counter[str]] = {pk: Counter() for pk in pks}
    for row in conn.execute(
        grouped.where(RunTable.sweep_pk.in_(counts)).group_by(RunTable.sweep_pk, RunTable.state, there)
    ):
        counts[row.sweep_pk]["made"] += row.runs
        if row.there:
            counts[row.sweep_pk][_STATES.get(RunState(row.state), row.state)] += row.runs
    return {pk: contract.SweepCounts(**count) for pk, count in counts.items()}


def _begun() -> ScalarSelect[datetime]:
    """Select when the project of a sweep began."""
    own = select(ProjectTable.created_at).where(ProjectTable.pk == SweepTable.project_pk)
    return own.correlate(SweepTable).scalar_subquery()


def _select() -> Select[Any]:
    return select(*SweepTable.__table__.columns, ProjectTable.name.label("project")).join(ProjectTable)


def _select_runs() -> Select[Any]:
    columns = (
        RunTable.id.label("run"),
        RunTable.name,
        RunTable.state,
        RunTable.stop_reason,
        RunTable.step,
        RunTable.validations,
    )
    values = (
        RunTable.best_value,
        RunTable.best_step,
        RunTable.selected_value,
        RunTable.selected_step,
        RunTable.averages_tried,
    )
    trial = models.TrialTable
    return select(trial.number, trial.parameters, *columns, *values).join(RunTable, trial.run_pk == RunTable.pk)


def _show_run(row: Row[Any]) -> contract.SweepRun:
    return contract.SweepRun.model_validate(row._asdict())


def read_spec(row: SweepRow) -> SweepRequest:
    """Return the sweep's request with every gap filled."""
    return SweepRequest.model_validate(row.spec)


def _announce(conn: Connection, row: SweepRow, kind: str, now: datetime) -> None:
    data = {"id": row.id, "name": row.name, "state": row.state, "message": row.message}
    events.append_to_project(conn, kind, row.project, data, now)
