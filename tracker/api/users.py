"""Users, their tokens, and the audit log."""

from __future__ import annotations

from flask import Blueprint
from pydantic import Field

from keepbest.contract.access import (
    AuditPage,
    Token,
    TokenList,
    TokenRequest,
    User,
    UserList,
    UserPatch,
    UserRequest,
)
from keepbest.contract.base import Shape
from tracker.api import access
from tracker.api.envelope import now, route_schema
from tracker.api.queries import next_cursor, read_cursor
from tracker.db import Connection
from tracker.store.access import audit, users

blueprint = Blueprint("users", __name__)


class AuditQuery(Shape):
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=100, ge=1, le=1000)


@blueprint.get("/users")
@route_schema(UserList)
def list_users(conn: Connection) -> UserList:
    """List all users."""
    return UserList(users=users.list_users(conn))


@blueprint.post("/users")
@route_schema(User, body=UserRequest, status=201)
def create_user(conn: Connection, body: UserRequest) -> User:
    """Make a user, who then needs a token."""
    made = users.create_user(conn, body, now())
    _note(conn, "user.create", body.name, role=body.role.value)
    return made


@blueprint.patch("/users/<path:user>")
@route_schema(User, body=UserPatch)
def change_user(conn: Connection, user: str, body: UserPatch) -> User:
    """Change a user's role, or shut a user out; `user` is a name or an id."""
    changed = users.change_user(conn, user, body, now())
    access.forget_principals()
    _note(conn, "user.change", changed.name, **body.model_dump(mode="json", exclude_none=True))
    return changed


@blueprint.delete("/users/<path:user>")
@route_schema(None)
def disable_user(conn: Connection, user: str) -> None:
    """Shut a user out: every token and session of theirs is worth nothing from now on."""
    changed = users.change_user(conn, user, UserPatch(is_disabled=True), now())
    access.forget_principals()
    _note(conn, "user.disable", changed.name)


@blueprint.get("/tokens")
@route_schema(TokenList)
def list_tokens(conn: Connection) -> TokenList:
    """List one's own tokens and sessions; an admin sees everybody's."""
    return TokenList(tokens=users.list_tokens(conn, access.principal(), now()))


@blueprint.post("/tokens")
@route_schema(Token, body=TokenRequest, status=201)
def create_token(conn: Connection, body: TokenRequest) -> Token:
    """Make a token for oneself, or (admin) for another user; the secret is in this answer and never again.

    It ends no later than the token that it was made with, and allows no more.
    """
    made = users.create_token(conn, body, access.principal(), now())
    _note(conn, "token.create", made.id, name=made.name, user=made.user, role=made.role.value)
    return made


@blueprint.delete("/tokens/<token>")
@route_schema(None)
def revoke_token(conn: Connection, token: str) -> None:
    """End a token or a session with all that it made: one's own, or (admin) anybody's."""
    users.revoke_token(conn, token, access.principal(), now())
    access.forget_principals()
    _note(conn, "token.revoke", token)


@blueprint.get("/audit")
@route_schema(AuditPage, query=AuditQuery)
def list_audit(conn: Connection, query: AuditQuery) -> AuditPage:
    """List who changed what, newest first."""
    before = None if query.cursor is None else read_cursor(query.cursor)
    entries = audit.list_entries(conn, before=before, limit=query.limit)
    return AuditPage(entries=entries, cursor=next_cursor([entry.seq for entry in entries], query.limit))


def _note(conn: Connection, action: str, target: str, **detail: object) -> None:
    audit.record(conn, access.principal().user, action, target, now(), detail or None)
