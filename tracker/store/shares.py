"""Read-only links: makes, lists and ends them, and finds what a link shows.

A link is a credential of kind `share` with a row here. A browser that opens it gets a session of kind `shared`, which
the link's credential made; so the session ends with the link, and the link with the token that made it. A link ends
when its run or project is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, false, func, insert, or_, select, true
from sqlalchemy.orm import aliased

from keepbest.contract import shares as contract
from keepbest.contract.artifacts import USED
from keepbest.contract.events import Event
from keepbest.contract.runs import Run
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.query.parser import parse
from keepbest.query.resolve import resolve
from keepbest.status import Role
from tracker.models import CredentialTable, ProjectTable, RunTable, ShareTable, UserTable
from tracker.store import runs
from tracker.store.access import audit, makers, users
from tracker.store.access.shared import SharedScope
from tracker.store.access.users import Made, Principal
from tracker.store.search import names
from tracker.store.search.compile import compile_term
from tracker.store.search.scope import open_scope
from tracker.store.search.visibility import visible

#: Valid links of one person, and sessions that one link holds open: the oldest gives way.
MAX_SHARES, MAX_SESSIONS = 200, 100
#: Links that one list shows at most.
MAX_LISTED = 1000
#: Fields of an event that name other runs, and the kind of event that names another project.
_WIDE, _OF_PROJECTS = frozenset({"spec", "environment"}), "run.moved"


def make_share(conn: Connection, request: contract.ShareRequest, by: Principal, now: datetime) -> contract.Share:
    """Make a link that ends no later than the token that makes it; only this answer holds its address.

    Raises InvalidInput for a filter that cannot be read, NotFound for a run or project that is not there, Conflict
    where the person has too many links.
    """
    place = _find_place(conn, request, by, now)
    if len(_read(conn, now, CredentialTable.user_pk == by.user_pk)) >= MAX_SHARES:
        raise Conflict(
            f"You have {MAX_SHARES} links already.", hint="End one: `keepbest shares`, `keepbest unshare ID`."
        )
    name, lasts = request.name or "", timedelta(days=request.days)
    made = users.make_credential(conn, by.user_pk, "share", name, Role.VIEWER, now=now, lasts=lasts, maker=by.maker)
    own = select(CredentialTable.pk).where(CredentialTable.id == made.id).scalar_subquery()
    conn.execute(insert(ShareTable).values(credential_pk=own, q=request.q.strip(), query=request.query, **place))
    share = _show(_read(conn, now, CredentialTable.id == made.id)[0])
    audit.record(
        conn, by.user, "share.create", share.id, now, {"run": share.run, "project": share.project, "q": share.q}
    )
    return share.model_copy(update={"path": f"/shared#{made.secret}"})


def list_shares(conn: Connection, by: Principal, now: datetime) -> list[contract.Share]:
    """Return the caller's valid links, the newest first; for an admin, those of all users, at most `MAX_LISTED`."""
    own = true() if by.role is Role.ADMIN else CredentialTable.user_pk == by.user_pk
    return [_show(row) for row in _read(conn, now, own)[:MAX_LISTED] if makers.find_role(conn, row, now) is not None]


def end_share(conn: Connection, id: str, by: Principal, now: datetime) -> None:
    """End a link with the sessions that it opened: the caller's own or, for an admin, any person's."""
    own = true() if by.role is Role.ADMIN else CredentialTable.user_pk == by.user_pk
    rows = _read(conn, now, own, CredentialTable.id == id)
    if not rows:
        raise NotFound(f"There is no link {id!r}.", field="share", hint="`keepbest shares` lists them.")
    makers.revoke(conn, [row.pk for row in rows], now)
    audit.record(conn, by.user, "share.revoke", id, now)


def end_for_runs(conn: Connection, is_meant: ColumnElement[bool], now: datetime) -> None:
    """End the links to the runs that meet a condition, because they are being deleted: bringing back revives none."""
    _end_where(conn, ShareTable.run_pk.in_(select(RunTable.pk).where(is_meant)), now)


def end_for_project(conn: Connection, project_pk: int, now: datetime) -> None:
    """End the links to views of a project, and to its runs, because it is being deleted."""
    _end_where(conn, ShareTable.project_pk == project_pk, now)
    end_for_runs(conn, RunTable.project_pk == project_pk, now)


def _end_where(conn: Connection, is_meant: ColumnElement[bool], now: datetime) -> None:
    makers.revoke(conn, list(conn.execute(select(ShareTable.credential_pk).where(is_meant)).scalars()), now)


def open_share(conn: Connection, secret: str, now: datetime) -> Principal | None:
    """Return the principal of a valid link with this secret, or None."""
    principal = users.find_principal(conn, users.digest(secret), "share", now)
    return None if principal is None else _narrow(conn, principal, principal.credential)


def begin_session(conn: Connection, link: Principal, name: str, *, now: datetime, lasts: timedelta) -> Made:
    """Make the session of a browser that opened a link; the oldest of too many ends."""
    users.touch(conn, link.credential, now)
    living = (
        CredentialTable.made_by == link.maker,
        CredentialTable.kind == "shared",
        CredentialTable.revoked_at.is_(None),
    )
    newest = select(CredentialTable.pk).where(*living).order_by(CredentialTable.pk.desc()).offset(MAX_SESSIONS - 1)
    makers.revoke(conn, list(conn.execute(newest).scalars()), now)
    return users.make_credential(
        conn, link.user_pk, "shared", name, Role.VIEWER, now=now, lasts=lasts, maker=link.maker
    )


def find_principal(conn: Connection, hashed: str, now: datetime) -> Principal | None:
    """Return the principal of the valid session with this digest that a link opened, or None."""
    principal = users.find_principal(conn, hashed, "shared", now)
    if principal is None:
        return None
    session = aliased(CredentialTable)
    link = select(CredentialTable.id).join(session, session.made_by == CredentialTable.pk)
    id = conn.execute(link.where(session.id == principal.credential, CredentialTable.kind == "share")).scalar()
    return None if id is None else _narrow(conn, principal, id)


def show_place(share: SharedScope) -> contract.SharedPlace:
    """Return what a link shows, with the address of its page."""
    page = f"/p/{quote(share.project, safe='')}" if share.run is None else f"/r/{share.run}"
    return contract.SharedPlace(
        by=share.by,
        expires_at=share.expires_at,
        project=share.project,
        run=share.run,
        q=share.q,
        path=page + share.query,
    )


def sees_run(conn: Connection, principal: Principal, id: str) -> bool:
    """Whether the person sees the run with this whole id."""
    return conn.execute(select(RunTable.pk).where(RunTable.id == id, visible(principal))).first() is not None


def narrow_events(conn: Connection, principal: Principal, events: Sequence[Event]) -> list[Event]:
    """Return the events that the person sees: by a link those about its runs, without what names other runs."""
    if principal.share is None:
        return list(events)
    ids = {event.run for event in events if event.run is not None}
    seen = set(conn.execute(select(RunTable.id).where(RunTable.id.in_(ids), visible(principal))).scalars())
    return [
        event.model_copy(update={"data": {key: value for key, value in event.data.items() if key not in _WIDE}})
        for event in events
        if event.run in seen and event.kind != _OF_PROJECTS
    ]


def narrow_run(run: Run, principal: Principal) -> Run:
    """Return a run as this person sees it: by a link without the names of the runs and the sweep that it came from."""
    if principal.share is None:
        return run
    spec = run.spec.model_copy(update={"forked_from": None, "trial": None})
    known = run.environment or {}
    environment = {key: value for key, value in known.items() if key != USED} if USED in known else run.environment
    return run.model_copy(update={"spec": spec, "environment": environment})


def _find_place(
    conn: Connection, request: contract.ShareRequest, by: Principal, now: datetime
) -> dict[str, int | None]:
    """Return the columns that say what the link shows."""
    if request.run is not None:
        return {"run_pk": runs.get_run(conn, request.run).pk, "project_pk": None}
    scope = open_scope(conn, request.project, by)
    term = parse(request.q, now)
    if term is not None:
        resolve(term, names.list_known(conn, scope), request.q)
    return {"run_pk": None, "project_pk": scope.project_pk}


def _narrow(conn: Connection, principal: Principal, id: str) -> Principal | None:
    """Return the principal with the scope of the link with this id; None where what it shows is not there."""
    row = conn.execute(_select().where(CredentialTable.id == id)).one_or_none()
    if row is None:
        return None
    scope = SharedScope(
        id=row.id,
        by=row.user,
        expires_at=row.expires_at,
        project=row.project,
        project_pk=row.project_pk,
        run=row.run,
        q=row.q,
        query=row.query,
        condition=_compile(conn, row),
    )
    return replace(principal, share=scope)


def _compile(conn: Connection, row: Row[Any]) -> ColumnElement[bool]:
    """Return what a run must meet for the link to show it; nothing where the filter no longer means anything."""
    if row.run_pk is not None:
        is_run: ColumnElement[bool] = RunTable.pk == row.run_pk
        return is_run
    inside: ColumnElement[bool] = RunTable.project_pk == row.project_pk
    scope = open_scope(conn, row.project, None)
    try:
        term = parse(row.q, row.created_at)
        term = None if term is None else resolve(term, names.list_known(conn, scope), row.q)
    except InvalidInput:
        return false()
    return inside if term is None else inside & compile_term(term, is_sqlite=scope.is_sqlite)


def _read(conn: Connection, now: datetime, *wanted: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """Return the links that have not ended, the newest first."""
    living = (CredentialTable.revoked_at.is_(None), CredentialTable.expires_at > now)
    return conn.execute(_select().where(*living, *wanted).order_by(CredentialTable.pk.desc())).all()


def _select() -> Select[Any]:
    """Select links whose run or project is there, with the columns of their credentials."""
    own_run = and_(RunTable.pk == ShareTable.run_pk, visible(None))
    project_pk = func.coalesce(ShareTable.project_pk, RunTable.project_pk)
    return (
        select(
            *CredentialTable.__table__.columns,
            UserTable.name.label("user"),
            UserTable.role.label("user_role"),
            ProjectTable.pk.label("project_pk"),
            ProjectTable.name.label("project"),
            RunTable.pk.label("run_pk"),
            RunTable.id.label("run"),
            RunTable.name.label("run_name"),
            ShareTable.q,
            ShareTable.query,
        )
        .join(ShareTable, ShareTable.credential_pk == CredentialTable.pk)
        .join(UserTable, CredentialTable.user_pk == UserTable.pk)
        .outerjoin(RunTable, own_run)
        .join(ProjectTable, and_(ProjectTable.pk == project_pk, ProjectTable.deleted_at.is_(None)))
        .where(or_(ShareTable.run_pk.is_(None), RunTable.pk.is_not(None)))
    )


def _show(row: Row[Any]) -> contract.Share:
    return contract.Share.model_validate(row._asdict())
