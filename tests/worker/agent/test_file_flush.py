"""The agent sends the files that a trainer kept and could not send, before it gives the run back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.errors import Unreachable
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.outbox import Outbox, has_parcels
from tests.support.live import Live
from worker.agent.flush import drain
from worker.run_folder import RunFolder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "worker" / "run")


def keep(folder: RunFolder, run: str, lease: str, **files: bytes) -> Path:
    """Leave the journal of a dead trainer with files beside it."""
    journal = Journal.create(folder.journal, JournalOwner(run, new_id(), lease))
    for path, data in files.items():
        Outbox(journal.folder).add(path, data, "file", "text/plain", NOW)
    journal.close()
    return journal.folder


def test_files_of_a_dead_trainer_arrive_under_its_lease(live: Live, folder: RunFolder) -> None:
    with live.client() as client, Client(live.url, live.worker) as agent:
        worker = live.add_worker()
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"))).id
        assignment = worker.claim().taken
        assert assignment is not None
        journal = keep(folder, run, assignment.lease.token, model=b"weights", notes=b"text")
        drain(agent, folder)
        assert [(item.path, item.user) for item in client.files.list(run).artifacts] == [
            ("model", "mill"), ("notes", "mill"),
        ]  # fmt: skip
        assert not journal.exists()


def test_files_under_no_lease_are_set_aside(live: Live, folder: RunFolder, tmp_path: Path) -> None:
    with live.client() as client, Client(live.url, live.worker) as agent:
        live.add_worker()
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"))).id
        journal = keep(folder, run, "never a lease", model=b"weights")
        drain(agent, folder)
        assert client.files.list(run).artifacts == []
        assert not journal.exists()
    assert any(path.read_bytes() == b"weights" for path in tmp_path.glob("set-aside/*.files/*"))


def test_files_wait_while_the_tracker_is_away(folder: RunFolder) -> None:
    journal = keep(folder, new_id(), "lease", model=b"weights")
    with pytest.raises(Unreachable), Client("http://127.0.0.1:9", "token", retries=0) as away:
        drain(away, folder)
    assert has_parcels(journal)
