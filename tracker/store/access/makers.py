"""Which credential made which: what a token made never outlives or outranks it.

A session and a one-time code name the credential that made them as `made_by`, a token the one with which it was asked
for. Whoever holds a secret is looked up with everything above it. A session that ends by itself, or by signing out,
takes nothing along: what was made with it belongs to its own maker from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update

from keepbest.errors import Conflict
from keepbest.status import Role
from tracker.models import CredentialTable, UserTable

#: Tokens made by tokens made by tokens: each look-up climbs to the top.
MAX_DEPTH = 20
_RANK = {Role.VIEWER: 0, Role.WORKER: 0, Role.MEMBER: 1, Role.ADMIN: 2}


def lower_role(role: Role, held: Role) -> Role:
    """Return `asked` where it gives no more than `held`, else `held`: a credential never outgrows its user."""
    if role is held or (_RANK[role] < _RANK[held]):
        return role
    return held


def find_role(conn: Connection, row: Row[Any], now: datetime) -> Role | None:
    """Return what a living credential allows at most; None where one above it has ended."""
    role = lower_role(Role(row.role), Role(row.user_role))
    for maker in _climb(conn, row.made_by):
        if maker is None or not _upholds(maker, now):
            return None
        role = lower_role(role, lower_role(Role(maker.role), Role(maker.user_role)))
    return role


def limit_end(conn: Connection, maker: int | None, ends_at: datetime | None) -> datetime | None:
    """Return when something made by `maker` ends at the latest: with the nearest token above it.

    Raises Conflict where tokens made one another too many times.
    """
    ends = [] if ends_at is None else [ends_at]
    depth = 0
    for row in _climb(conn, maker):
        depth += 1
        if row is not None and row.kind == "token" and row.expires_at is not None:
            ends.append(row.expires_at)
    if depth >= MAX_DEPTH:
        raise Conflict(
            f"{MAX_DEPTH} credentials made one another already.", hint="Use a token that was made by an earlier one."
        )
    return min(ends, default=None)


def revoke(conn: Connection, pks: list[int], now: datetime) -> None:
    """End credentials with all that they made."""
    while pks:
        conn.execute(update(CredentialTable).where(CredentialTable.pk.in_(pks)).values(revoked_at=now))
        alive = (CredentialTable.made_by.in_(pks), CredentialTable.revoked_at.is_(None))
        pks = list(conn.execute(select(CredentialTable.pk).where(*alive)).scalars())


def remove(conn: Connection, pk: int, maker: int | None) -> None:
    """Take out a session that ended by itself; what it made belongs to its maker."""
    conn.execute(update(CredentialTable).where(CredentialTable.made_by == pk).values(made_by=maker))
    conn.execute(delete(CredentialTable).where(CredentialTable.pk == pk))


def remove_dead(conn: Connection, now: datetime, most: int) -> int:
    """Delete up to `most` credentials that can never be used again; return how many."""
    over = or_(CredentialTable.expires_at <= now, CredentialTable.revoked_at.is_not(None))
    columns = (CredentialTable.pk, CredentialTable.kind, CredentialTable.made_by, CredentialTable.revoked_at)
    dead = conn.execute(select(*columns).where(over).order_by(CredentialTable.pk).limit(most)).all()
    revoke(conn, [row.pk for row in dead if row.kind == "token" or row.revoked_at is not None], now)
    for row in dead:
        remove(conn, row.pk, row.made_by)
    return len(dead)


def _climb(conn: Connection, maker: int | None) -> Iterator[Row[Any] | None]:
    """Yield each credential above, the nearest first; None for one that is gone."""
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


def _upholds(maker: Row[Any], now: datetime) -> bool:
    is_over = maker.kind == "token" and maker.expires_at is not None and maker.expires_at <= now
    return maker.revoked_at is None and maker.disabled_at is None and not is_over
