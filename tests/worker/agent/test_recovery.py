"""What agents that died left behind: delivered, given back, and never removed before it is told or set aside."""

from __future__ import annotations

import pytest

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, LogLines
from keepbest.contract.runs import Run
from keepbest.contract.workers import Claim, Release, WorkerRegistration
from keepbest.errors import KeepbestError
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.set_aside import list_set_aside
from keepbest.journal.wire import encode
from keepbest.status import RunState
from tests.support.assignments import NOW
from tests.support.service import Service
from worker import recipes
from worker.agent.recovery import sweep
from worker.run_folder import RunFolder, TrainerJob


def claim(service: Service) -> TrainerJob:
    """Claim a run as an agent that is about to die."""
    client = Client(service.client.url, service.worker_token)
    said = {"id": new_id(), "name": "dying", "host": "dying", "pid": 1, "version": "0", "slots": 1}
    client.register_worker(WorkerRegistration.model_validate({**said, "recipes": recipes.announce()}))
    service.submit(source={"kind": "recipe", "name": "hvass-cnn"}, max_attempts=1)
    assignment = client.claim(Claim(worker=str(said["id"])))
    assert assignment is not None
    return TrainerJob(assignment=assignment, url=client.url, store=service.folder / "store")


def leave_behind(service: Service, job: TrainerJob) -> RunFolder:
    """Make the folder of a dead agent: output that nobody sent, no outcome."""
    folder = RunFolder(service.folder / "worker" / "left")
    folder.create(job)
    journal = Journal.create(folder.journal, JournalOwner(job.run_id, new_id(), job.assignment.lease.token))
    lines = LogLines(stream="stdout", offset=0, text="unheard\n", at=NOW)
    journal.append(1, encode(Batch(writer=journal.about.writer, number=1, logs=[lines]), ()))
    journal.close()
    folder.unlock()
    return folder


def test_what_a_dead_agent_left_is_delivered_and_given_back(service: Service) -> None:
    job = claim(service)
    folder = leave_behind(service, job)
    (writer,) = folder.journal.glob("*/writer.json")
    writer.write_text("[" * 100_000)  # it no longer says whose it is: the folder does
    client = Client(service.client.url, service.worker_token)
    assert sweep(folder.path.parent, client, lambda seconds: True) == 1
    run: Run = service.client.run(job.run_id)
    assert service.logs(run.id) == "unheard\n"
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.message) == ("worker_lost", "The worker ended in the middle of the training.")
    assert not folder.path.exists()


def test_refused_entries_are_kept_when_the_folder_goes(service: Service) -> None:
    """It was deleted with the journal, with a warning."""
    job = claim(service)
    folder = leave_behind(service, job)
    service.client.release(job.run_id, job.assignment.lease.token, Release(outcome="failed"))
    service.client.delete_run(job.run_id)
    sweep(folder.path.parent, Client(service.client.url, service.worker_token), lambda seconds: True)
    assert not folder.path.exists()
    (kept,) = list_set_aside(service.folder)
    assert (kept.run, kept.entries) == (job.run_id, 1)
    assert "unheard" in kept.path.read_text()


@pytest.mark.parametrize("is_known", [True, False])
def test_a_folder_without_its_job_gives_what_its_journals_hold(service: Service, is_known: bool) -> None:
    job = claim(service)
    folder = leave_behind(service, job)
    (folder.path / "job.json").write_bytes(b"\xff")
    (writer,) = folder.journal.glob("*/writer.json")
    if not is_known:
        writer.write_text('{"run": "../elsewhere", "writer": "w", "lease": ""}')
    sweep(folder.path.parent, Client(service.client.url, service.worker_token), lambda seconds: True)
    assert not folder.path.exists()
    if is_known:
        assert service.logs(job.run_id) == "unheard\n"
    else:
        kept = service.folder / "set-aside" / f"journal-{writer.parent.name}"
        assert b"unheard" in (kept / "batches").read_bytes()


def test_a_folder_that_a_living_agent_has_is_left_alone(service: Service) -> None:
    folder = leave_behind(service, claim(service))
    living = RunFolder(folder.path)
    assert living.try_lock()
    assert sweep(folder.path.parent, service.client, lambda seconds: True) == 0
    assert folder.path.exists()


def test_a_folder_that_makes_no_sense_is_removed(service: Service) -> None:
    (service.folder / "worker" / "odd").mkdir(parents=True)
    assert sweep(service.folder / "worker", service.client, lambda seconds: True) == 1
    assert list((service.folder / "worker").iterdir()) == []


def test_what_cannot_be_delivered_yet_stays(service: Service) -> None:
    folder = leave_behind(service, claim(service))
    service.stop()
    with pytest.raises(KeepbestError):
        service.client.health()
    sweep(folder.path.parent, Client(service.client.url, service.worker_token, retries=0), lambda seconds: True)
    assert folder.get_job()
