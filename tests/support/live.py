"""A real tracker on SQLite in a thread of the test, and a worker that reports what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, BatchReceipt
from keepbest.contract.policies import StopperDecision
from keepbest.contract.workers import Assignment, Claim, Release, WorkerRegistration
from keepbest.settings import VERSION
from keepbest.status import Role
from tests.support.serving import end, make_token, serve
from tests.support.store import CNN
from tracker import db
from tracker.app import create_app
from tracker.settings import TrackerSettings


@dataclass(frozen=True)
class Live:
    """Where the tracker is, and the secrets of an admin and of a worker."""

    url: str
    folder: Path
    admin: str
    worker: str

    def client(self) -> Client:
        return Client(self.url, self.admin)

    def add_worker(self, **said: Any) -> FakeWorker:
        return FakeWorker(Client(self.url, self.worker), **said)


@pytest.fixture
def live(sqlite_url: str, tmp_path: Path) -> Iterator[Live]:
    """A tracker with an admin `ada` and a worker's token."""
    engine = db.make_engine(sqlite_url)
    folder = tmp_path / "tracker"
    settings = TrackerSettings(dir=folder, database_url=sqlite_url)
    app = create_app(settings, engine)
    with db.write(engine) as conn:
        secrets = {role: make_token(conn, name, role) for name, role in (("ada", Role.ADMIN), ("mill", Role.WORKER))}
    server = serve(app)
    yield Live(f"http://127.0.0.1:{server.server_port}", folder, secrets[Role.ADMIN], secrets[Role.WORKER])
    app.extensions["keepbest"].hub.close()
    end(server)
    engine.dispose()


@dataclass
class FakeWorker:
    """Claims a run and tells the tracker about a training that never was."""

    client: Client
    name: str = "mill"
    recipes: list[Any] = field(default_factory=lambda: [CNN])
    id: str = field(default_factory=new_id)
    writer: str = field(default_factory=new_id)
    taken: Assignment | None = None

    def __post_init__(self) -> None:
        self.numbers = count(1)
        said = {"id": self.id, "name": self.name, "host": "mill.local", "pid": 7, "version": VERSION, "slots": 1}
        self.client.register_worker(WorkerRegistration.model_validate({**said, "recipes": self.recipes}))

    def claim(self) -> FakeWorker:
        """Take the next run and begin its first segment."""
        self.taken = self.client.claim(Claim(worker=self.id))
        assert self.taken is not None, "there was nothing to claim"
        begun = {"number": self.taken.next_segment, "parent": self.taken.parent_segment, "at": now()}
        step = self.taken.resume.step if self.taken.resume else 0
        self.say(segments=[{**begun, "reason": "resume" if step else "start", "start_step": step}])
        return self

    @property
    def run(self) -> str:
        assert self.taken is not None
        return self.taken.run.id

    @property
    def lease(self) -> str:
        assert self.taken is not None
        return self.taken.lease.token

    def say(self, **records: Any) -> BatchReceipt:
        batch = Batch.model_validate({"writer": self.writer, "number": next(self.numbers), **records})
        body = batch.model_dump_json(exclude_none=True).encode()
        return self.client.post_batch(self.run, body, "application/json", self.lease)

    def report_validation(self, step: int, value: float, **decided: Any) -> None:
        decision = StopperDecision.model_validate(
            {"stop": False, "improved": False, "wait": 0, "patience_left": 1000, "unit": "steps", **decided}
        )
        taken = {"segment": 0, "step": step, "value": value, "n": 360, "decision": decision, "at": now()}
        self.say(validations=[taken], progress={"step": step, "at": now()})

    def log(self, text: str, offset: int = 0) -> None:
        self.say(logs=[{"stream": "stdout", "offset": offset, "text": text, "at": now()}])

    def checkpoint(self, step: int, value: float | None, **said: Any) -> str:
        usual = {"id": new_id(), "segment": 0, "step": step, "kind": "best", "value": value, "digest": "a" * 64}
        sizes = {"size_bytes": 1000, "written_bytes": 10, "location": "store", "at": now()}
        self.say(checkpoints=[{**usual, **sizes, **said}])
        return str({**usual, **said}["id"])

    def finish(self, outcome: str = "finished", **said: Any) -> None:
        self.client.release(self.run, self.lease, Release.model_validate({"outcome": outcome, **said}))


def now() -> str:
    return datetime.now(UTC).isoformat()
