"""Defines the requests and responses about users, tokens and signing in."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Answer, Id, Json, Moment, Page, PlainName, Shape
from keepbest.contract.shares import SharedPlace
from keepbest.status import Role


class Me(Answer):
    """The user of a request. `share`: the request comes by a read-only link of this user, and sees what it shows."""

    user: str
    role: Role
    version: str
    share: SharedPlace | None = None


class SignIn(Shape):
    """Signs in with the code of a one-time link, a token, or the secret of a read-only link (`share`)."""

    code: str | None = Field(default=None, max_length=200, repr=False)
    token: str | None = Field(default=None, max_length=200, repr=False)
    share: str | None = Field(default=None, max_length=200, repr=False)


class SignInLink(Answer):
    """A link that signs in once. Its code stands behind a '#' in `path`, so that it reaches no server log."""

    path: str = Field(repr=False)
    expires_at: Moment


class UserRequest(Shape):
    name: PlainName
    role: Role = Role.MEMBER


class UserPatch(Shape):
    """The fields of a user that an admin may change. The tracker refuses a disabled user's tokens and sessions."""

    role: Role | None = None
    is_disabled: bool | None = None


class User(Answer):
    id: Id
    name: str
    role: Role
    created_at: Moment
    disabled_at: Moment | None = None


class UserList(Answer):
    users: list[User]


class TokenRequest(Shape):
    """Asks for a token of one's own; an admin may ask for a token of `user`. `role` may be lower than the user's."""

    name: PlainName
    user: PlainName | None = None
    role: Role | None = None
    expires_in_days: int | None = Field(default=None, ge=1, le=3650)


class Token(Answer):
    """A token. The tracker returns `secret` once, when it makes the token, and keeps only its hash."""

    id: Id
    name: str
    user: str
    role: Role
    created_at: Moment
    last_used_at: Moment | None = None
    expires_at: Moment | None = None
    secret: str | None = Field(default=None, repr=False)


class TokenList(Answer):
    tokens: list[Token]


class AuditEntry(Answer):
    seq: int
    at: Moment
    user: str
    action: str
    target: str
    detail: Json = None


class AuditPage(Page):
    entries: list[AuditEntry]
