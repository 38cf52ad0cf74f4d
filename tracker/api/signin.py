"""Sign-in: exchanges the code of a one-time link, a token or a read-only link for the dashboard's cookie."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, request

from keepbest import __version__
from keepbest.contract.access import Me, SignIn, SignInLink
from keepbest.errors import InvalidInput, NotAuthenticated
from tracker.api import access
from tracker.api.envelope import now, reply, route_schema, service
from tracker.db import Connection
from tracker.store import shares
from tracker.store.access import audit, users
from tracker.store.access.users import Made, Principal

blueprint = Blueprint("signin", __name__)

#: Characters of a browser's name that name its session.
_AGENT = 100


@blueprint.post("/signin")
@route_schema(Me, body=SignIn)
def sign_in(conn: Connection, body: SignIn) -> Response:
    """Sign a browser in with a one-time code, a token or a read-only link; the answer sets the cookie.

    Whoever is signed in with an account keeps that session at a read-only link, and only learns what it shows.
    """
    if "Origin" in request.headers:
        access.check_origin()
    principal = _prove(conn, body)
    if principal.share is not None and _has_own_session(conn):
        return reply(_show(principal))
    lasts = timedelta(days=service().settings.session_days)
    name = request.headers.get("User-Agent", "a browser")[:_AGENT]
    if principal.share is not None:
        made = shares.begin_session(conn, principal, name, now=now(), lasts=lasts)
        audit.record(conn, principal.user, "share.open", principal.share.id, now())
    else:
        made = users.make_credential(
            conn, principal.user_pk, "session", name, principal.role, now=now(), lasts=lasts, maker=principal.maker
        )
        audit.record(conn, principal.user, "user.sign_in", principal.user, now())
    return _set_cookie(reply(_show(principal)), made, lasts)


def _set_cookie(response: Response, made: Made, lasts: timedelta) -> Response:
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
    """Return the principal of a code, a token or a read-only link.

    Raises NotAuthenticated for a wrong one, Busy after too many of them.
    """
    if [body.code, body.token, body.share].count(None) != 2:
        raise InvalidInput("Give a code, a token or a share.", field="code")
    hint = "`keepbest login`, or restart the tracker for a new link."
    if body.code is not None:
        principal, problem = users.use_code(conn, body.code, now()), "link is used up, expired or unknown"
    elif body.share is not None:
        principal, problem = shares.open_share(conn, body.share, now()), "link was ended, has expired or is not whole"
        hint = "Ask the person who sent it for a new one."
    else:
        principal = users.find_principal(conn, users.digest(body.token or ""), "token", now())
        problem = "token is unknown or expired"
    if principal is None:
        service().attempts.add(request.remote_addr or "", now())
        raise NotAuthenticated(f"This {problem}.", hint=hint)
    return principal


def _has_own_session(conn: Connection) -> bool:
    """Whether the request carries the valid cookie of a person who signed in with an account."""
    cookie = request.cookies.get(access.COOKIE)
    return cookie is not None and users.find_principal(conn, users.digest(cookie), "session", now()) is not None


def _show(principal: Principal) -> Me:
    place = None if principal.share is None else shares.show_place(principal.share)
    return Me(user=principal.user, role=principal.role, version=__version__, share=place)
