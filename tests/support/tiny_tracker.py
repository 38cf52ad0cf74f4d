"""The part of a tracker that a run talks to, over real HTTP: numbered batches taken once, leases, commands, faults."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import ExternalSource, Mode, RunSpec
from keepbest.contract.workers import Assignment, Lease
from keepbest.journal import wire
from keepbest.settings import Settings
from keepbest.stopping import parse
from tests.support.processes import PATIENCE

NOW = "2026-01-01T00:00:00Z"
LEASE = {"token": "lease-token", "expires_at": NOW, "lease_seconds": 30.0}


class TinyTracker:
    """Keeps the records that it took. `down()` closes the port, `up()` opens the same one again."""

    def __init__(self) -> None:
        self.batches: dict[str, list[tuple[dict[str, Any], list[wire.MetricPoints]]]] = {}
        self.requests: list[str] = []
        self.releases: list[dict[str, Any]] = []
        self.renewals = 0
        self.lease = dict(LEASE)
        self.commands: list[dict[str, Any]] = []
        self.specs: dict[str, dict[str, Any]] = {}
        self.error: dict[str, Any] | None = None  # the answer to every batch, while set
        self.refuse_points = False
        self.lose_answers = 0  # so many batches are taken and their answer is lost
        self.hold: Event | None = None  # batches wait for it
        self._lock = Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def up(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self))
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def down(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def client(self) -> Client:
        return Client(self.url, "token", timeout_seconds=5, retries=0)

    def said(self, name: str) -> list[dict[str, Any]]:
        """Return all records of one kind, in order of arrival."""
        return [record for batches in self.batches.values() for header, _ in batches for record in header.get(name, ())]

    def points(self, key: str) -> list[tuple[int, float]]:
        """Return all points of a metric, in order of arrival."""
        parts = [part for batches in self.batches.values() for _, parts in batches for part in parts]
        return [point for part in parts if part.key == key for point in zip(part.steps, part.values, strict=True)]

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any] | None:
        """Return status and JSON; None hangs up."""
        with self._lock:
            self.requests.append(f"{method} {path}")
        for pattern, act in _ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                with self._lock:
                    return act(self, body, *found.groups())
        return 404, _error("not_found", f"no route {method} {path}")

    def take_batch(self, body: bytes, run: str) -> tuple[int, Any] | None:
        if self.error is not None:
            return 409 if self.error["error"]["code"] in ("lease_lost", "batch_gap") else 503, self.error
        header, points = wire.decode(body)
        if self.refuse_points and points:
            return 422, _error("invalid_input", "these points are refused")
        taken = self.batches.setdefault(header["writer"], [])
        if header["number"] > len(taken) + 1:
            return 409, _error("batch_gap", f"expected {len(taken) + 1}")
        if header["number"] == len(taken) + 1:
            taken.append((header, points))
        if self.lose_answers:
            self.lose_answers -= 1
            return None
        return 200, {"accepted": True, "last_number": len(taken), "commands": self.commands}

    def submit(self, body: bytes) -> tuple[int, Any]:
        asked = json.loads(body)
        run = asked.pop("id") or new_id()
        stopper = asked["stopper"] or parse("patience(checks=10)")
        filled = {"name": "run", "validate_every": 100, **{k: v for k, v in asked.items() if v is not None}}
        self.specs[run] = {"retention": {}, **filled, "stopper": stopper}
        return 201, self.run(run)

    def claim(self, body: bytes) -> tuple[int, Any]:
        run = json.loads(body)["run"]
        return 200, {"run": self.run(run), "lease": self.lease, "attempt": 1, "next_segment": 0}

    def renew(self, body: bytes, run: str) -> tuple[int, Any]:
        self.renewals += 1
        return 200, {"expires_at": NOW}

    def release(self, body: bytes, run: str) -> tuple[int, Any]:
        self.releases.append(json.loads(body))
        return 200, self.run(run)

    def list_commands(self, body: bytes, run: str) -> tuple[int, Any]:
        return 200, {"commands": self.commands}

    def run(self, run: str) -> dict[str, Any]:
        spec = self.specs[run]
        about = {"id": run, "project": "p", "number": 1, "name": "r", "state": "queued", "created_by": "u"}
        return {**about, "spec": spec, "mode": spec["mode"], "created_at": NOW, "updated_at": NOW}


_ROUTES = (
    (r"POST /api/v1/runs/(\w+)/batches", TinyTracker.take_batch),
    (r"GET /api/v1/runs/(\w+)/commands\?.*", TinyTracker.list_commands),
    (r"POST /api/v1/runs", TinyTracker.submit),
    (r"GET /api/v1/runs/(\w+)", lambda tracker, body, run: (200, tracker.run(run))),
    (r"POST /api/v1/leases", TinyTracker.claim),
    (r"POST /api/v1/leases/(\w+)/renew", TinyTracker.renew),
    (r"POST /api/v1/leases/(\w+)/release", TinyTracker.release),
)


@contextmanager
def tiny_tracker() -> Iterator[TinyTracker]:
    tracker = TinyTracker()
    try:
        yield tracker
    finally:
        if tracker.hold is not None:
            tracker.hold.set()
        tracker.down()


def error(code: str) -> dict[str, Any]:
    return _error(code, f"the tracker says {code}")


def settings_of(folder: Path, url: str, mode: str = "online", token: str = "token") -> Settings:
    return Settings(
        url=url,
        token=token,
        dir=folder,
        project="default",
        run_id=None,
        mode=mode,  # type: ignore[arg-type]
        store=folder / "store",
        data=None,
        provenance="off",
        has_system_curves=False,
    )


def assignment(stopper: str = "patience(checks=2)", mode: str = "max", **more: Any) -> Assignment:
    """Return the assignment for a worker's trainer."""
    spec = RunSpec.model_validate(
        {
            "source": ExternalSource(),
            "name": "r",
            "monitor": "val_accuracy",
            "mode": mode,
            "stopper": parse(stopper),
            "retention": {},
            "validate_every": 100,
            "max_steps": more.pop("max_steps", None),
        }
    )
    about = {"id": new_id(), "project": "p", "number": 1, "name": "r", "state": "leased", "created_by": "u"}
    run = {**about, "spec": spec, "mode": Mode(mode), "created_at": NOW, "updated_at": NOW}
    given = {"run": run, "lease": Lease.model_validate(LEASE), "attempt": 1, "next_segment": 0, **more}
    return Assignment.model_validate(given)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "field": None, "hint": None}}


def _handler(tracker: TinyTracker) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if tracker.hold is not None and self.path.endswith("/batches"):
                tracker.hold.wait(PATIENCE)
            reply = tracker.answer(self.command, self.path, body)
            if reply is None or tracker._server is None:
                self.close_connection = True
                return
            data = json.dumps(reply[1]).encode()
            self.send_response(reply[0])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _reply

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
