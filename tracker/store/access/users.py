"""Users and their credentials: tokens, browser sessions, one-time sign-in codes. Only digests of secrets are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, and_, delete, func, insert, or_, select, update

from keepbest.contract import access as contract
from keepbest.contract.base import new_id
from keepbest.errors import Conflict, InvalidInput, NotAllowed, NotFound
from keepbest.status import Role
from tracker.models import CredentialTable, UserTable
from tracker.store.access import makers
from tracker.store.access.makers import lower_role
from tracker.store.access.shared import SharedScope

#: Shows that a text in a file or a log is a keepbest token.
SECRET_PREFIX = "kb_"  # noqa: S105
#: The shortest time between two writes of a credential's last use.
TOUCH_EVERY = timedelta(minutes=1)
#: The user that an operator's own worker token belongs to.
WORKERS = "workers"
SHORTEST_SECRET = 24


@dataclass(frozen=True, slots=True)
class Principal:
    """The user, credential and role of a request.

    `maker` is the `made_by` of credentials that this one makes: its own key, or for a one-time code, which is deleted
    at its use, the code's maker. With a `share`, the request comes by a read-only link and sees what that link shows;
    `user` is the person who made the link.
    """

    user: str
    user_pk: int
    role: Role
    credential: str
    used_at: datetime | None
    expires_at: datetime | None
    maker: int | None = None
    share: SharedScope | None = None


class Made(NamedTuple):
    """A new credential with its `secret`, which is shown only once."""

    id: str
    secret: str
    expires_at: datetime | None


def digest(secret: str) -> str:
    """Return the SHA-256 of a token, which the database stores; a token is 256 random bits and needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def find_principal(conn: Connection, hashed: str, kind: str, now: datetime) -> Principal | None:
    """Return the principal of the valid credential of this kind with this digest, or None."""
    same = (CredentialTable.digest == hashed, CredentialTable.kind == kind)
    row = conn.execute(_select().where(*_are_valid(now), *same)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, hashed):
        return None
    role = makers.find_role(conn, row, now)
    if role is None:
        return None
    maker = row.made_by if kind == "code" else row.pk
    return Principal(row.user, row.user_pk, role, row.id, row.last_used_at, row.expires_at, maker)


def is_living(conn: Connection, credential: str, now: datetime) -> bool:
    """Whether the credential with this id is still valid."""
    row = conn.execute(_select().where(*_are_valid(now), CredentialTable.id == credential)).one_or_none()
    return row is not None and makers.find_role(conn, row, now) is not None


def touch(conn: Connection, credential: str, now: datetime) -> None:
    """Store when a credential was last used."""
    conn.execute(update(CredentialTable).where(CredentialTable.id == credential).values(last_used_at=now))


def make_credential(
    conn: Connection,
    user_pk: int,
    kind: str,
    name: str,
    role: Role,
    *,
    now: datetime,
    lasts: timedelta | None,
    maker: int | None = None,
) -> Made:
    """Make a token, a session or a code, which ends no later than the token that makes it."""
    secret, id = SECRET_PREFIX + secrets.token_urlsafe(32), new_id()
    expires = makers.limit_end(conn, maker, None if lasts is None else now + lasts)
    values = {"id": id, "user_pk": user_pk, "kind": kind, "name": name, "role": role.value, "digest": digest(secret)}
    conn.execute(insert(CredentialTable), {**values, "made_by": maker, "created_at": now, "expires_at": expires})
    return Made(id, secret, expires)


def make_link(
    conn: Connection, user_pk: int, role: Role, *, now: datetime, lasts: timedelta, maker: int | None = None
) -> contract.SignInLink:
    """Make a one-time link with its code after a '#', which browsers send to no server."""
    made = make_credential(conn, user_pk, "code", "one-time link", role, now=now, lasts=lasts, maker=maker)
    return contract.SignInLink(path=f"/signin#code={made.secret}", expires_at=made.expires_at or now + lasts)


def end_session(conn: Connection, credential: str) -> None:
    """Delete a browser's session at its sign-out. Credentials that it made stay, as does one of another kind."""
    mine = (CredentialTable.id == credential, CredentialTable.kind.in_(("session", "shared")))
    row = conn.execute(select(CredentialTable.pk, CredentialTable.made_by).where(*mine)).one_or_none()
    if row is not None:
        makers.remove(conn, row.pk, row.made_by)


def use_code(conn: Connection, secret: str, now: datetime) -> Principal | None:
    """Use a one-time code and delete it; return its principal, or None for all but the first use."""
    principal = find_principal(conn, digest(secret), "code", now)
    if principal is None:
        return None
    gone = conn.execute(
        delete(CredentialTable).where(CredentialTable.id == principal.credential, CredentialTable.kind == "code")
    )
    return principal if gone.rowcount == 1 else None


def create_user(conn: Connection, request: contract.UserRequest, now: datetime) -> contract.User:
    """Make a user; raises Conflict when the name is taken."""
    if conn.execute(select(UserTable.pk).where(UserTable.name == request.name)).first() is not None:
        raise Conflict(f"There is a user {request.name!r} already.", field="name")
    values = {"id": new_id(), "name": request.name, "role": request.role.value, "created_at": now}
    conn.execute(insert(UserTable), values)
    return contract.User.model_validate(values)


def list_users(conn: Connection) -> list[contract.User]:
    rows = conn.execute(select(*UserTable.__table__.columns).order_by(UserTable.name))
    return [_show_user(row) for row in rows]


def change_user(conn: Connection, user: str, user_patch: contract.UserPatch, now: datetime) -> contract.User:
    """Change a user's role or disable the user, by name or by id; raises Conflict for the last admin."""
    named = (
        select(*UserTable.__table__.columns)
        .where(or_(UserTable.name == user, UserTable.id == user))
        .order_by(UserTable.name != user)
    )
    row = conn.execute(named.limit(1).with_for_update()).one_or_none()
    if row is None:
        raise NotFound(f"There is no user {user!r}.", field="user")
    role = row.role if user_patch.role is None else user_patch.role.value
    disabled = row.disabled_at
    if user_patch.is_disabled is not None:
        disabled = (row.disabled_at or now) if user_patch.is_disabled else None
    _keep_an_admin(conn, row, role, disabled)
    conn.execute(update(UserTable).where(UserTable.pk == row.pk).values(role=role, disabled_at=disabled))
    return _show_user(conn.execute(select(*UserTable.__table__.columns).where(UserTable.pk == row.pk)).one())


def find_user_pk(conn: Connection, name: str) -> int | None:
    return conn.execute(select(UserTable.pk).where(UserTable.name == name)).scalar_one_or_none()


def create_token(conn: Connection, request: contract.TokenRequest, by: Principal, now: datetime) -> contract.Token:
    """Make a token for the caller or, by an admin, for another user; its role is at most the user's."""
    row = conn.execute(
        select(*UserTable.__table__.columns).where(UserTable.name == (request.user or by.user))
    ).one_or_none()
    if row is None:
        raise NotFound(f"There is no user {request.user!r}.", field="user")
    if row.name != by.user and by.role is not Role.ADMIN:
        raise NotAllowed("Only an admin makes tokens for others.", field="user")
    held = by.role if row.name == by.user else Role(row.role)
    role = request.role or held
    if lower_role(role, held) is not role:
        raise InvalidInput(f"A {held} cannot have a token with the role {role}.", field="role")
    lasts = None if request.expires_in_days is None else timedelta(days=request.expires_in_days)
    made = make_credential(conn, row.pk, "token", request.name, role, now=now, lasts=lasts, maker=by.maker)
    if lasts is not None and made.expires_at != now + lasts:
        raise InvalidInput(
            f"Your own token ends on {made.expires_at:%Y-%m-%d %H:%M} UTC; a token that it makes cannot last longer.",
            field="expires_in_days",
            hint="Leave expires_in_days out: the new token then ends with yours.",
        )
    shown = _show_token(conn.execute(_select().where(CredentialTable.id == made.id)).one())
    return shown.model_copy(update={"secret": made.secret})


def make_first_admin(conn: Connection, now: datetime) -> str | None:
    """Where there is no admin, make the user `admin` with a token and return its secret; else return None."""
    if find_admin(conn) is not None:
        return None
    made = create_user(conn, contract.UserRequest(name="admin", role=Role.ADMIN), now)
    pk = conn.execute(select(UserTable.pk).where(UserTable.id == made.id)).scalar_one()
    return make_credential(conn, pk, "token", "first start", Role.ADMIN, now=now, lasts=None).secret


def find_admin(conn: Connection) -> int | None:
    """Return the `pk` of the first admin who may sign in."""
    admins = select(UserTable.pk).where(UserTable.role == Role.ADMIN.value, UserTable.disabled_at.is_(None))
    return conn.execute(admins.order_by(UserTable.pk).limit(1)).scalar_one_or_none()


def admit_workers(conn: Connection, secret: str, now: datetime) -> None:
    """Make the operator's worker token valid, and end the one that the operator named before.

    Containers need a token before anybody can sign in to make one. Raises InvalidInput for a token that is too short.
    """
    if len(secret) < SHORTEST_SECRET:
        raise InvalidInput(
            f"The worker token needs at least {SHORTEST_SECRET} characters.",
            field="KEEPBEST_WORKER_TOKEN",
            hint="Make one: openssl rand -hex 24",
        )
    pk = find_user_pk(conn, WORKERS)
    if pk is None:
        create_user(conn, contract.UserRequest(name=WORKERS, role=Role.WORKER), now)
        pk = find_user_pk(conn, WORKERS)
    own = and_(CredentialTable.user_pk == pk, CredentialTable.name == WORKERS, CredentialTable.kind == "token")
    conn.execute(delete(CredentialTable).where(own, CredentialTable.digest != digest(secret)))
    if conn.execute(select(CredentialTable.pk).where(own)).first() is None:
        values = {"id": new_id(), "user_pk": pk, "kind": "token", "name": WORKERS, "role": Role.WORKER.value}
        conn.execute(
            insert(CredentialTable), {**values, "digest": digest(secret), "created_at": now, "expires_at": None}
        )


def list_tokens(conn: Connection, by: Principal, now: datetime) -> list[contract.Token]:
    """Return the caller's valid tokens and sessions; for an admin, those of all users."""
    shown = CredentialTable.kind.in_(("token", "session"))
    query = _select().where(*_are_valid(now), shown).order_by(CredentialTable.pk)
    rows = conn.execute(query if by.role is Role.ADMIN else query.where(CredentialTable.user_pk == by.user_pk)).all()
    return [_show_token(row) for row in rows if makers.find_role(conn, row, now) is not None]


def revoke_token(conn: Connection, id: str, by: Principal, now: datetime) -> None:
    """End a token or a session with all that it made: the caller's own or, for an admin, any user's."""
    query = select(CredentialTable.pk).where(CredentialTable.id == id, CredentialTable.revoked_at.is_(None))
    if by.role is not Role.ADMIN:
        query = query.where(CredentialTable.user_pk == by.user_pk)
    pks = list(conn.execute(query).scalars())
    makers.revoke(conn, pks, now)
    if not pks:
        raise NotFound(f"There is no token {id!r}.", field="token", hint="List them: GET /api/v1/tokens.")


def _are_valid(now: datetime) -> tuple[Any, ...]:
    lasting = or_(CredentialTable.expires_at.is_(None), CredentialTable.expires_at > now)
    return CredentialTable.revoked_at.is_(None), lasting, UserTable.disabled_at.is_(None)


def _select() -> Select[Any]:
    columns = (*CredentialTable.__table__.columns, UserTable.name.label("user"), UserTable.role.label("user_role"))
    return select(*columns).join(UserTable, CredentialTable.user_pk == UserTable.pk)


def _keep_an_admin(conn: Connection, row: Row[Any], role: str, disabled: datetime | None) -> None:
    if row.role != Role.ADMIN or (role == Role.ADMIN and disabled is None):
        return
    others = select(func.count()).where(
        UserTable.role == Role.ADMIN.value, UserTable.disabled_at.is_(None), UserTable.pk != row.pk
    )
    if conn.execute(others).scalar_one() == 0:
        raise Conflict("This is the last admin.", hint="Make another user an admin first.")


def _show_user(row: Row[Any]) -> contract.User:
    return contract.User.model_validate(row._asdict())


def _show_token(row: Row[Any]) -> contract.Token:
    return contract.Token.model_validate(row._asdict())
