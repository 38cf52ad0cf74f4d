"""Rules of a project: set and read, and which of its runs have not been judged yet."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from keepbest.contract.policies import PolicySpec
from keepbest.contract.rules import ProjectRules, RulesRequest
from keepbest.contract.runs import Mode
from keepbest.status import RunState, StopReason
from keepbest.stopping import parse
from keepbest.stopping.median import Point
from tracker import db, models
from tracker.models import ProjectTable, RunTable, SegmentTable, ValidationTable
from tracker.store import events, projects, run_spec
from tracker.store.access import audit
from tracker.store.segments import LivingPath, living_path

#: Finished runs, the newest ones, that a run is compared with.
MAX_OTHERS = 100
#: Ended because others were better.
_STOPPED = [StopReason.PEERS.value, StopReason.SUCCESSIVE_HALVING.value]
_HELD = [state.value for state in RunState if state.is_held]


def get_rules(conn: Connection, project: str, *, lock: bool = False) -> ProjectRules:
    """Return the rules of a project; `lock` keeps others from setting them until the transaction ends.

    Raises NotFound where there is no such project.
    """
    pk = projects.get_pk(conn, project, lock=lock)
    row = conn.execute(_select().where(models.ProjectRulesTable.project_pk == pk)).first()
    return ProjectRules(project=project) if row is None else _show(row)


def find_stopper(conn: Connection, project: str) -> PolicySpec | None:
    """Return the stopper that a project gives to runs that are submitted without one."""
    wanted = select(models.ProjectRulesTable.stopper).join(ProjectTable).where(ProjectTable.name == project)
    scalar_one_or_none = conn.execute(wanted).scalar_one_or_none()
    return None if scalar_one_or_none is None else PolicySpec.model_validate(scalar_one_or_none)


def set_rules(conn: Connection, project: str, request: RulesRequest, *, user: str, now: datetime) -> ProjectRules:
    """Replace the rules; runs that train already are judged by the new ones at their next validation."""
    pk = projects.get_pk(conn, project)
    told = {**request.model_dump(mode="json"), "stopper": _read_stopper(request.stopper)}
    values = {**told, "set_by": user, "set_at": now}
    statement = db.insert(conn, models.ProjectRulesTable).values(project_pk=pk, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["project_pk"], set_=values))
    audit.record(conn, user, "project.rules", project, now, told)
    events.append_to_project(conn, "project.rules", project, {**told, "set_by": user}, now)
    return get_rules(conn, project)


def list_acting(conn: Connection) -> list[ProjectRules]:
    """Return the rules of every project that may stop a run."""
    table = models.ProjectRulesTable
    project_ruless = [_show(row) for row in conn.execute(_select().where(table.project_pk == ProjectTable.pk))]
    return [
        project_rules
        for project_rules in project_ruless
        if project_rules.median or project_rules.max_steps or project_rules.max_seconds
    ]


def list_living(conn: Connection, project: str) -> list[Row[Any]]:
    """Return the runs of a project that train and were not stopped by a rule; `judged` is how many validations were."""
    ruling = models.RuleProgressTable
    columns = (*RunTable.__table__.columns, ProjectTable.name.label("project"), ruling.validations.label("judged"))
    joined = (
        select(*columns)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .outerjoin(ruling, ruling.run_pk == RunTable.pk)
    )
    living = (
        ProjectTable.name == project,
        RunTable.state.in_(_HELD),
        RunTable.deleted_at.is_(None),
        ruling.command.is_(None),
    )
    return list(conn.execute(joined.where(*living).order_by(RunTable.pk)))


def note_ruling(conn: Connection, run_pk: int, validations: int, command: str | None = None) -> None:
    """Write down how many validations of a run were judged, and the command that came of it."""
    values = {"validations": validations, "command": command}
    statement = db.insert(conn, models.RuleProgressTable).values(run_pk=run_pk, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["run_pk"], set_=values))


def find_others(conn: Connection, run: Row[Any], *, count_stopped: bool) -> list[int]:
    """Return the newest finished runs of the same project, monitor and mode."""
    same = (RunTable.project_pk == run.project_pk, RunTable.mode == run.mode, RunTable.state == RunState.FINISHED.value)
    watches = RunTable.spec["monitor"].as_string() == run.spec["monitor"]
    query = select(RunTable.pk).where(*same, watches, RunTable.pk != run.pk, RunTable.deleted_at.is_(None))
    if not count_stopped:
        query = query.where(or_(RunTable.stop_reason.is_(None), RunTable.stop_reason.not_in(_STOPPED)))
    return list(conn.execute(query.order_by(RunTable.pk.desc()).limit(MAX_OTHERS)).scalars())


def read_values(conn: Connection, pks: list[int], upto: int) -> dict[int, list[Point]]:
    """Return the values of each run's admitted validations up to a step, on its living path, in the order of steps."""
    paths = _read_paths(conn, pks)
    columns = select(ValidationTable.run_pk, ValidationTable.segment, ValidationTable.step, ValidationTable.value)
    counts = ValidationTable.decision["is_admitted"].as_boolean().is_not(False)
    wanted = (
        ValidationTable.run_pk.in_(pks),
        ValidationTable.step <= upto,
        counts,
        ValidationTable.is_withdrawn.is_(False),
    )
    values: dict[int, list[Point]] = {pk: [] for pk in pks}
    for pk, segment, step, value in conn.execute(columns.where(*wanted).order_by(ValidationTable.step)):
        if value is not None and not paths[pk].is_ghost(segment, step):
            values[pk].append((step, value))
    return values


def _read_stopper(policy_spec: PolicySpec | str | None) -> dict[str, Any] | None:
    """Return a policy as data, however it was written, with no parameter more; raises InvalidInput for a wrong one."""
    if policy_spec is None:
        return None
    spec = PolicySpec.model_validate(parse(policy_spec)) if isinstance(policy_spec, str) else policy_spec
    run_spec.refuse_pausing(run_spec.check_stopper(spec, Mode.MAX))
    return spec.model_dump(mode="json")


def _read_paths(conn: Connection, pks: Iterable[int]) -> dict[int, LivingPath]:
    known: dict[int, list[Any]] = {pk: [] for pk in pks}
    columns = select(SegmentTable.run_pk, SegmentTable.number, SegmentTable.parent, SegmentTable.start_step)
    for row in conn.execute(columns.where(SegmentTable.run_pk.in_(known))):
        known[row.run_pk].append(row)
    return {pk: living_path(rows) for pk, rows in known.items()}


def _select() -> Any:
    return select(*models.ProjectRulesTable.__table__.columns, ProjectTable.name.label("project")).join(ProjectTable)


def _show(row: Row[Any]) -> ProjectRules:
    return ProjectRules.model_validate(row._asdict())
