"""Sign-in: exchanges the code of a one-time link, or a token, for the dashboard's cookie."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, request

from keepbest import __version__
from keepbest.contract.access import Me, SignIn, SignInLink
from keepbest.errors import InvalidInput, NotAuthenticated
from tracker.api import access
from tracker.api.envelope import now, reply, route_schema, service
from tracker.db import Connection
from tracker.store.access import audit, users
from tracker.store.access.users import Principal

blueprint = Blueprint("signin", __name__)

#: Characters of a browser's name that name its session.
_AGENT = 100


@blueprint.post("/signin")
@route_schema(Me, body=SignIn)
def sign_in(conn: Connection, body: SignIn) -> Response:
    """Sign a browser in with a one-time code or a token; the answer sets the cookie."""
    if "Origin" in request.headers:
        access.check_origin()
    principal = _prove(conn, body)
    lasts = timedelta(days=service().settings.session_days)
    name = request.headers.get("User-Agent", "a browser")[:_AGENT]
    made = users.make_credential(
        conn, principal.user_pk, "session", name, principal.role, now=now(), lasts=lasts, maker=principal.maker
    )
    audit.record(conn, principal.user, "user.sign_in", principal.user, now())
    response = reply(_show(principal))
    response.set_cookie(
        access.COOKIE,
        made.secret,
        max_age=made.expires_at - now() if made.expires_at is not None else lasts,
        httponly=True,
        samesite="Strict",
        secure=request.is_secure or service().settings.secure_cookie,
    )
    return response


@blueprint.post("/signout")
@route_schema(None)
def sign_out(conn: Connection) -> Response:
    """End the browser's session; a token stays valid."""
    users.end_session(conn, access.principal().credential)
    access.forget_principals()
    response = reply(None)
    response.delete_cookie(access.COOKIE, httponly=True, samesite="Strict")
    return response


@blueprint.post("/signin-links")
@route_schema(SignInLink, status=201)
def make_link(conn: Connection) -> SignInLink:
    """Make a link that signs a browser in as oneself: once, and only for some minutes."""
    principal = access.principal()
    lasts = timedelta(minutes=service().settings.sign_in_minutes)
    return users.make_link(conn, principal.user_pk, principal.role, now=now(), lasts=lasts, maker=principal.maker)


@blueprint.get("/me")
@route_schema(Me, transact=False)
def show_me() -> Me:
    """Say who makes this request."""
    return _show(access.principal())


def _prove(conn: Connection, body: SignIn) -> Principal:
    """Return the principal of a code or token. Raises NotAuthenticated for a wrong one, Busy after too many of them."""
    if (body.code is None) == (body.token is None):
        raise InvalidInput("Give a code or a token.", field="code")
    if body.code is not None:
        principal = users.use_code(conn, body.code, now())
    else:
        principal = users.find_principal(conn, users.digest(body.token or ""), "token", now())
    if principal is None:
        service().attempts.add(request.remote_addr or "", now())
        problem = "link is used up, expired or unknown" if body.code is not None else "token is unknown or expired"
        raise NotAuthenticated(f"This {problem}.", hint="`keepbest login`, or restart the tracker for a new link.")
    return principal


def _show(principal: Principal) -> Me:
    return Me(user=principal.user, role=principal.role, version=__version__)
