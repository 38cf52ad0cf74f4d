"""A tracker's application that answers in a thread of the test, and tokens for whoever asks it."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from keepbest.contract.access import UserRequest
from keepbest.status import Role
from tracker.store.access import users


def serve(app: Any, port: int = 0) -> BaseWSGIServer:
    """Answer on the port, or a free one, until `end` is called with what is returned."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server


def end(server: BaseWSGIServer) -> None:
    """Answer no more, and give the port back."""
    server.shutdown()
    server.server_close()


def make_token(conn: Any, name: str, role: Role) -> str:
    """Make a user with a token that does not end; return its secret."""
    now = datetime.now(UTC)
    users.create_user(conn, UserRequest(name=name, role=role), now)
    pk = users.find_user_pk(conn, name)
    assert pk is not None
    return users.make_credential(conn, pk, "token", "test", role, now=now, lasts=None)[1]
