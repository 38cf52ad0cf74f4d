"""A tracker's application in this process, with a clock that the test sets and a client for each role."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from flask import Flask
from werkzeug.test import TestResponse

from keepbest.contract.access import UserRequest
from keepbest.status import Role
from tests.support.store import NOW
from tracker import db
from tracker.api.envelope import EXTENSION, Service
from tracker.app import create_app
from tracker.db import Engine
from tracker.settings import TrackerSettings
from tracker.store.access import users


class Api:
    """Calls routes as one user; `role` names a user with that role and a token of it."""

    def __init__(self, engine: Engine, folder: Path, **settings: Any) -> None:
        self.engine = engine
        self.now = NOW
        self.app: Flask = create_app(TrackerSettings.load({}, dir=folder, **settings), engine, lambda: self.now)
        self._tokens: dict[Role, str] = {}

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: Role | None = Role.MEMBER,
        lease: str | None = None,
        key: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> TestResponse:
        """Send a request; `body` is JSON unless it is bytes."""
        given = {
            "Authorization": role and f"Bearer {self.token(role)}",
            "Keepbest-Lease": lease,
            "Idempotency-Key": key,
        }
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        sent = {name: value for name, value in given.items() if value} | (headers or {})
        return self.app.test_client().open(f"/api/v1{path}", method=method, data=data, headers=sent)

    def get(self, path: str, **how: Any) -> Any:
        """Return the JSON of a GET that must succeed."""
        return self._read(self.call("GET", path, **how))

    def post(self, path: str, body: Any = None, **how: Any) -> Any:
        """Return the JSON of a POST that must succeed."""
        return self._read(self.call("POST", path, body, **how))

    def fail(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, dict[str, Any]]:
        """Return status and error of a request that must fail; its body must be the error body."""
        answer = self.call(method, path, body, **how)
        assert answer.status_code >= 400, answer.text
        error = answer.get_json()["error"]
        assert set(error) == {"code", "message", "field", "hint"}
        return answer.status_code, error

    def wait(self, seconds: float) -> datetime:
        """Move the tracker's clock on."""
        self.now += timedelta(seconds=seconds)
        return self.now

    def token(self, role: Role) -> str:
        """Return the token of the user who has this role, made at the first call."""
        if role not in self._tokens:
            with db.write(self.engine) as conn:
                user = users.create_user(conn, UserRequest(name=f"a {role}", role=role), self.now)
                pk = users.find_user_pk(conn, user.name)
                assert pk is not None
                made = users.make_credential(conn, pk, "token", "test", role, now=self.now, lasts=None)
            self._tokens[role] = made.secret
        return self._tokens[role]

    def close(self) -> None:
        """End the application's own thread."""
        cast(Service, self.app.extensions[EXTENSION]).hub.close()

    @staticmethod
    def _read(answer: TestResponse) -> Any:
        assert answer.status_code < 300, answer.text
        return answer.get_json() if answer.data else None
