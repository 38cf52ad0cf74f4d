"""Claims: who gets which run, and where its training goes on."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, update

from keepbest.contract.workers import Claim
from keepbest.errors import Conflict, InvalidInput, NotFound
from tests.support.store import (
    ADA,
    CNN,
    NOW,
    WORKER,
    add_checkpoint,
    begin,
    claim,
    hello,
    later,
    open_segment,
    release,
    submit,
    submit_external,
)
from tracker.models import CheckpointTable, RunTable
from tracker.store import claims, deletions


def ask(conn: Connection, worker: str) -> str | None:
    """Return the id of the run that this worker gets."""
    found = claims.claim(conn, Claim(worker=worker), by=WORKER, seconds=30, now=NOW)
    return found.run.id if found else None


def test_the_oldest_of_the_highest_priority_comes_first(conn: Connection) -> None:
    ids = [submit(conn, priority=priority).id for priority in (0, 5, 0, 5, -1)]
    worker = hello(conn, slots=9)
    assert [ask(conn, worker) for _ in range(6)] == [ids[1], ids[3], ids[0], ids[2], ids[4], None]


def test_a_worker_gets_no_more_than_its_slots(conn: Connection) -> None:
    submit(conn)
    submit(conn)
    taken = claim(conn, worker := hello(conn, slots=1))
    assert ask(conn, worker) is None
    release(conn, taken, "finished")
    assert ask(conn, worker) is not None


FITS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({}, {"recipes": []}, False),
    ({}, {"recipes": [CNN.model_copy(update={"name": "other"})]}, False),
    ({"data": "mnist"}, {}, True),
    ({"data": "mnist"}, {"recipes": [CNN.model_copy(update={"data": ["digits"]})]}, False),
    ({"labels": {"gpu": "h200"}}, {}, False),
    ({"labels": {"gpu": "h200"}}, {"labels": {"gpu": "h100"}}, False),
    ({"labels": {"gpu": "h200"}}, {"labels": {"gpu": "h200", "room": "2"}}, True),
    ({"labels": {"gpu": "h200", "room": "2"}}, {"labels": {"gpu": "h200"}}, False),
    ({"labels": {"a'b\"c.$[0]": "%' --"}}, {"labels": {"a'b\"c.$[0]": "%' --"}}, True),
    ({"labels": {"a'b\"c.$[0]": "%' --"}}, {"labels": {"a'b\"c": "%' --"}}, False),
    ({"labels": {"room": "2"}}, {"labels": {"room": "2.0"}}, False),
]


@pytest.mark.parametrize(("asked", "said", "fits"), FITS)
def test_a_run_goes_only_to_a_worker_that_can_train_it(
    conn: Connection, asked: dict[str, Any], said: dict[str, Any], fits: bool
) -> None:
    run = submit(conn, **asked)
    assert ask(conn, hello(conn, **said)) == (run.id if fits else None)


def test_code_goes_to_no_worker_that_refuses_it(conn: Connection) -> None:
    run = submit(conn, source={"kind": "external"})
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(source_kind="code"))
    assert ask(conn, hello(conn, recipes_only=True)) is None
    assert ask(conn, hello(conn, recipes=[])) == run.id


def test_no_worker_gets_an_external_or_a_deleted_run(conn: Connection) -> None:
    submit_external(conn)
    deletions.delete_run(conn, submit(conn), user="ada", now=NOW)
    assert ask(conn, hello(conn)) is None


def test_a_script_claims_its_own_run_once(conn: Connection) -> None:
    run = submit_external(conn)
    taken = claim(conn, run=run.id)
    assert (taken.run.state, taken.run.worker, taken.attempt) == ("leased", None, 1)
    with pytest.raises(Conflict, match="another script holds it"):
        claim(conn, run=run.id)
    release(conn, taken, "finished")
    again = claim(conn, run=run.id)  # its script goes on with it
    assert (again.run.state, again.attempt) == ("leased", 2)


def test_claims_that_make_no_sense_are_refused(conn: Connection) -> None:
    run = submit(conn)
    for asked, error in [(Claim(), InvalidInput), (Claim(run=run.id), InvalidInput), (Claim(worker=run.id), NotFound)]:
        with pytest.raises(error):
            claims.claim(conn, asked, by=ADA, seconds=30, now=NOW)


def test_a_first_assignment_starts_at_nothing(conn: Connection) -> None:
    submit(conn)
    taken = claim(conn)
    assert (taken.attempt, taken.next_segment, taken.parent_segment, taken.resume) == (1, 0, None, None)
    assert (taken.run.state, taken.lease.expires_at) == ("leased", later(30))


def test_the_next_assignment_resumes_at_the_newest_checkpoint(conn: Connection) -> None:
    run = submit(conn)
    begin(conn, taken := claim(conn))
    ids = [add_checkpoint(conn, run, step=step) for step in (100, 200, 300)]
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == ids[2]).values(state="dropped"))
    release(conn, taken, "crashed")
    again = claim(conn)
    assert again.resume is not None
    assert (again.resume.id, again.next_segment, again.parent_segment) == (ids[1], 1, 0)


def test_an_abandoned_tail_is_never_resumed(conn: Connection) -> None:
    """A run rolled back from step 500 to 200 and crashed at 300 must not come back at 500."""
    run = submit(conn)
    begin(conn, taken := claim(conn))
    add_checkpoint(conn, run, step=500)
    open_segment(conn, taken, 1, parent=0, start_step=200)
    living = add_checkpoint(conn, run, segment=1, step=300)
    release(conn, taken, "crashed")
    again = claim(conn)
    assert again.resume is not None
    assert (again.resume.id, again.next_segment, again.parent_segment) == (living, 2, 1)
