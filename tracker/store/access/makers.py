"""Which credential made which: a credential never outlives or outranks the token that made it.

`made_by` names the maker. A look-up of a secret checks its credential and every maker above it. When a session
expires or its user signs out, the credentials that it made pass to the session's own maker.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from keepbest.errors import Conflict
from keepbest.status import Role
from tracker.models import CredentialTable, UserTable

#: How many makers may stand above a credential: each look-up reads them all.
MAX_DEPTH = 20
#: Dead credentials that one call of `remove_dead` deletes, so that its transaction stays short.
MOST_REMOVED = 1000
#: Kinds of credentials that end everything that they made when they expire. A session does not: what it made passes on.
_ENDING = ("token", "share")
_RANK = {Role.VIEWER: 0, Role.WORKER: 0, Role.MEMBER: 1, Role.ADMIN: 2}


def lower_role(role: Role, held: Role) -> Role:
    """Return `role`, or `held` where `role` would give more: a credential may do no more than its user."""
    if role is held or (_RANK[role] < _RANK[held]):
        return role
    return held


def find_role(conn: Connection, row: Row[Any], now: datetime) -> Role | None:
    """Return the role of a valid credential; None where a maker above it has ended."""
    role = lower_role(Role(row.role), Role(row.user_role))
    for maker in _climb(conn, row.made_by):
        if maker is not None and maker.kind == "share" and row.kind != "shared":
            return None  # whoever holds a read-only link makes nothing but the sessions that show it
        if maker is None or maker.revoked_at is not None or maker.disabled_at is not None:
            return None
        if maker.kind in _ENDING and maker.expires_at is not None and maker.expires_at <= now:
            return None
        role = lower_role(role, lower_role(Role(maker.role), Role(maker.user_role)))
    return role


def limit_end(conn: Connection, maker: int | None, ends_at: datetime | None) -> datetime | None:
    """Return the latest end of a credential that `maker` makes: `ends_at`, or the first end of a token above.

    Raises Conflict where tokens made one another too many times.
    """
    ends = [] if ends_at is None else [ends_at]
    depth = 0
    for row in _climb(conn, maker):
        depth += 1
        if row is not None and row.kind in _ENDING and row.expires_at is not None:
            ends.append(row.expires_at)
    if depth >= MAX_DEPTH:
        raise Conflict(
            f"This token stands at the end of {MAX_DEPTH} tokens that made one another.",
            hint="Sign in again and make the token there.",
        )
    return min(ends, default=None)


def revoke(conn: Connection, pks: list[int], now: datetime) -> None:
    """End credentials, and all credentials that they made."""
    while pks:
        conn.execute(update(CredentialTable).where(CredentialTable.pk.in_(pks)).values(revoked_at=now))
        alive = (CredentialTable.made_by.in_(pks), CredentialTable.revoked_at.is_(None))
        pks = list(conn.execute(select(CredentialTable.pk).where(*alive)).scalars())


def remove(conn: Connection, pk: int, maker: int | None) -> None:
    """Delete a credential; the credentials that it made pass to `maker`."""
    conn.execute(update(CredentialTable).where(CredentialTable.made_by == pk).values(made_by=maker))
    conn.execute(delete(CredentialTable).where(CredentialTable.pk == pk))


def remove_dead(conn: Connection, now: datetime) -> int:
    """Delete up to `MOST_REMOVED` credentials that expired or were revoked; return how many. For the scheduler."""
    over = or_(CredentialTable.expires_at <= now, CredentialTable.revoked_at.is_not(None))
    columns = (CredentialTable.pk, CredentialTable.kind, CredentialTable.made_by, CredentialTable.revoked_at)
    dead = conn.execute(select(*columns).where(over).order_by(CredentialTable.pk).limit(MOST_REMOVED)).all()
    revoke(conn, [row.pk for row in dead if row.kind in _ENDING or row.revoked_at is not None], now)
    for row in dead:
        remove(conn, row.pk, row.made_by)
    return len(dead)


def _climb(conn: Connection, maker: int | None) -> Iterator[Row[Any] | None]:
    """Yield the makers above a credential, the nearest first; None for one that was deleted."""
    columns = (*CredentialTable.__table__.columns, UserTable.role.label("user_role"), UserTable.disabled_at)
    for _ in range(MAX_DEPTH):
        if maker is None:
            return
        query = (
            select(*columns).join(UserTable, CredentialTable.user_pk == UserTable.pk).where(CredentialTable.pk == maker)
        )
        row = conn.execute(query).one_or_none()
        yield row
        maker = row.made_by if row is not None else None
