"""Rules of projects: reads and sets them, and lists the runs that they have not judged yet."""

from __future__ import annotations

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
from tracker.models import ProjectTable, RunTable, ValidationTable
from tracker.store import events, projects, run_spec
from tracker.store.access import audit
from tracker.store.search.visibility import visible
from tracker.store.segments import read_paths

#: The newest finished runs that a run is compared with, at most.
MAX_OTHERS = 100
#: Stop reasons of runs that ended because others were better.
_STOPPED = [StopReason.PEERS.value, StopReason.SUCCESSIVE_HALVING.value]
_HELD = [state.value for state in RunState if state.is_held]


def get_rules(conn: Connection, project: str, *, lock: bool = False) -> ProjectRules:
    """Return the rules of a project; `lock` keeps others from changing them until the transaction ends.

    Raises NotFound where there is no such project.
    """
    pk = projects.get_pk(conn, project, lock=lock)
    row = conn.execute(_select().where(models.ProjectRulesTable.project_pk == pk)).first()
    return ProjectRules(project=project) if row is None else _show(row)


def find_stopper(conn: Connection, project: str) -> PolicySpec | None:
    """Return the stopper of a project's runs that are submitted without one."""
    wanted = select(models.ProjectRulesTable.stopper).join(ProjectTable).where(projects.is_named(project))
    stopper = conn.execute(wanted).scalar_one_or_none()
    return None if stopper is None else PolicySpec.model_validate(stopper)


def set_rules(conn: Connection, project: str, request: RulesRequest, *, user: str, now: datetime) -> ProjectRules:
    """Replace the rules; running runs are judged by the new ones at their next validation."""
    pk = projects.get_pk(conn, project)
    data = {**request.model_dump(mode="json"), "stopper": _read_stopper(request.stopper)}
    values = {**data, "set_by": user, "set_at": now}
    statement = db.insert(conn, models.ProjectRulesTable).values(project_pk=pk, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["project_pk"], set_=values))
    audit.record(conn, user, "project.rules", project, now, data)
    events.append_to_project(conn, "project.rules", project, {**data, "set_by": user}, now)
    return get_rules(conn, project)


def list_acting(conn: Connection) -> list[ProjectRules]:
    """Return the rules of every project whose rules may stop a run."""
    shown = [_show(row) for row in conn.execute(_select())]
    return [rules for rules in shown if rules.median or rules.max_steps or rules.max_seconds]


def list_living(conn: Connection, project: str) -> list[Row[Any]]:
    """Return a project's held runs that no rule has stopped; `judged` is the number of validations judged so far."""
    progress = models.RuleProgressTable
    columns = (*RunTable.__table__.columns, ProjectTable.name.label("project"), progress.validations.label("judged"))
    joined = (
        select(*columns)
        .join(ProjectTable, RunTable.project_pk == ProjectTable.pk)
        .outerjoin(progress, progress.run_pk == RunTable.pk)
    )
    living = (
        ProjectTable.name == project,
        RunTable.state.in_(_HELD),
        visible(None),
        progress.command.is_(None),
    )
    return list(conn.execute(joined.where(*living).order_by(RunTable.pk)))


def note_ruling(conn: Connection, run_pk: int, validations: int, command: str | None = None) -> None:
    """Store how many validations of a run were judged, and the stop command, if any."""
    values = {"validations": validations, "command": command}
    statement = db.insert(conn, models.RuleProgressTable).values(run_pk=run_pk, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["run_pk"], set_=values))


def find_others(conn: Connection, run: Row[Any], *, count_stopped: bool) -> list[int]:
    """Return the newest finished runs of the same project, monitor and mode."""
    same = (RunTable.project_pk == run.project_pk, RunTable.mode == run.mode, RunTable.state == RunState.FINISHED.value)
    query = select(RunTable.pk).where(*same, RunTable.monitor == run.monitor, RunTable.pk != run.pk, visible(None))
    if not count_stopped:
        query = query.where(or_(RunTable.stop_reason.is_(None), RunTable.stop_reason.not_in(_STOPPED)))
    return list(conn.execute(query.order_by(RunTable.pk.desc()).limit(MAX_OTHERS)).scalars())


def read_values(conn: Connection, pks: list[int], upto: int) -> dict[int, list[Point]]:
    """Return the values of each run's admitted validations on its living path, up to a step, in order of steps."""
    paths = read_paths(conn, pks)
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
    """Return a policy, given as text or as data, as data with only its named parameters; raises InvalidInput."""
    if policy_spec is None:
        return None
    spec = PolicySpec.model_validate(parse(policy_spec)) if isinstance(policy_spec, str) else policy_spec
    run_spec.refuse_pausing(run_spec.check_stopper(spec, Mode.MAX))
    return spec.model_dump(mode="json")


def _select() -> Any:
    return select(*models.ProjectRulesTable.__table__.columns, ProjectTable.name.label("project")).join(ProjectTable)


def _show(row: Row[Any]) -> ProjectRules:
    return ProjectRules.model_validate(row._asdict())
