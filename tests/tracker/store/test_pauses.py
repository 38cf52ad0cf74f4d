"""A person pauses a living run: its worker is free, its state stays, and it goes on as if nothing had been."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, update

from keepbest.contract.commands import PauseRequest, StopRequest
from keepbest.contract.overrides import Overrides, ResumeRequest
from keepbest.contract.workers import Assignment
from keepbest.errors import Conflict
from keepbest.status import CommandState, RunState, StopReason
from tests.support.store import (
    add_checkpoint,
    begin,
    claim,
    hello,
    later,
    release,
    submit,
    submit_external,
)
from tracker.models import RunTable
from tracker.store import commands, resume_point, resumes, runs, workers
from tracker.store.runs import RunRow


def pause(conn: Connection, run: RunRow) -> None:
    commands.request_command(conn, run, PauseRequest(), user="ada", now=later(10))


def paused(conn: Connection, worker: str) -> tuple[Assignment, str]:
    """Return a run that a person paused at step 300, and its checkpoint there."""
    submit(conn)
    taken = claim(conn, worker)
    run = begin(conn, taken)
    checkpoint = add_checkpoint(conn, run, step=300)
    pause(conn, run)
    commands.request_command(conn, run, StopRequest(), user="ada", now=later(10))
    release(conn, taken, "paused", stop_message="Paused at step 300.", now=later(20))
    return taken, checkpoint


def test_a_paused_run_frees_its_worker(conn: Connection) -> None:
    worker = hello(conn)
    taken, _ = paused(conn, worker)
    run = runs.get_run(conn, taken.run.id)
    assert (run.state, run.stop_reason, run.stop_message) == (RunState.PAUSED, StopReason.USER, "Paused at step 300.")
    assert (run.lease_digest, run.ended_at, workers.count_busy(conn, worker)) == (None, None, 0)
    states = [command.state for command in commands.list_commands(conn, run.pk)]
    assert states == [CommandState.EXPIRED, CommandState.EXPIRED]
    other = submit(conn)
    assert claim(conn, worker).run.id == other.id


def test_any_worker_resumes_it_where_it_paused(conn: Connection) -> None:
    taken, checkpoint = paused(conn, hello(conn))
    run = resumes.resume(conn, runs.get_run(conn, taken.run.id), ResumeRequest(), user="ada", now=later(30))
    assert (run.state, run.stop_reason) == (RunState.QUEUED, None)
    again = claim(conn, hello(conn, name="other"))
    assert again.resume is not None
    assert (again.resume.id, again.resume.step, again.overrides) == (checkpoint, 300, None)
    assert (again.attempt, again.run.failed_attempts) == (2, 0)


def test_it_resumes_with_another_learning_rate(conn: Connection) -> None:
    taken, checkpoint = paused(conn, hello(conn))
    request = ResumeRequest(learning_rate="0.1x")
    run = resumes.resume(conn, runs.get_run(conn, taken.run.id), request, user="ada", now=later(30))
    assert run.start_checkpoint == checkpoint
    assert resume_point.read_changes(run) == Overrides(learning_rate="0.1x")


def test_a_paused_run_can_be_cancelled(conn: Connection) -> None:
    taken, _ = paused(conn, hello(conn))
    run = commands.cancel_run(conn, runs.get_run(conn, taken.run.id), user="ada", now=later(30))
    assert run.state == RunState.CANCELLED


def test_a_cancel_meanwhile_goes_before_the_pause(conn: Connection) -> None:
    submit(conn)
    taken = claim(conn)
    run = begin(conn, taken)
    pause(conn, run)
    commands.cancel_run(conn, run, user="ada", now=later(11))
    assert release(conn, taken, "paused", now=later(20)).state == RunState.CANCELLED


def test_a_pause_that_cannot_be_exact_is_refused(conn: Connection) -> None:
    submit(conn, priority=-1)
    queued = submit(conn, priority=-2)
    own = submit_external(conn)
    claim(conn, run=own.id)
    submit(conn)
    trained = begin(conn, claim(conn))
    conn.execute(update(RunTable).where(RunTable.pk == trained.pk).values(incomplete="tokenizer"))
    trial = begin(conn, claim(conn, hello(conn, name="other")))  # the one of lower priority
    conn.execute(update(RunTable).where(RunTable.pk == trial.pk).values(sweep_pk=1))
    refusals = {queued.id: "nothing trains it", own.id: "by a script", trained.id: "tokenizer", trial.id: "a sweep"}
    for id, words in refusals.items():
        with pytest.raises(Conflict, match=words):
            pause(conn, runs.get_run(conn, id))
