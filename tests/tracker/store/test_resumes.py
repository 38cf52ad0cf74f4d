"""An ended run goes on: from where, changed how, and undisturbed by what its earlier attempts say late."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch, BatchReceipt
from keepbest.contract.checkpoints import CheckpointState
from keepbest.contract.commands import CancelRequest, StopRequest
from keepbest.contract.overrides import Overrides, ResumeRequest
from keepbest.contract.workers import Assignment
from keepbest.errors import Conflict, InvalidInput, KeepbestError, LeaseLost, NotFound
from tests.support.store import NOW, add_checkpoint, begin, claim, kinds, later, open_segment, release, submit
from tests.support.store import submit_external as script
from tracker.models import AuditEntryTable, CheckpointTable, RunTable
from tracker.store import checkpoints, commands, ingest, leases, resume_point, resumes, retention, runs, segments
from tracker.store.ingest import Delivery
from tracker.store.runs import RunRow

PATIENCE = {"stop_reason": "patience", "stop_message": "no better validation"}
TEST = {"step": 200, "n": 10, "values": {"accuracy": 0.9}}


def ended(conn: Connection, outcome: str = "finished", **said: Any) -> tuple[Assignment, dict[int, str]]:
    """A run that ended with checkpoints of step 200, its best, and 300; return its last assignment, and them."""
    submit(conn, max_attempts=1)
    taken = claim(conn)
    run = begin(conn, taken)
    ids = {step: add_checkpoint(conn, run, step=step, value=value) for step, value in {200: 0.9, 300: 0.7}.items()}
    best = {"best_checkpoint": ids[200], "best_step": 200, "best_value": 0.9, "mode": "max"}
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(step=900, wait=700, patience_left=0, **best))
    release(conn, taken, outcome, **said)
    return taken, ids


def resume(conn: Connection, id: str, **asked: Any) -> RunRow:
    return resumes.resume(conn, runs.get_run(conn, id), ResumeRequest.model_validate(asked), user="ada", now=later(50))


def say(conn: Connection, taken: Assignment, number: int = 1, **records: Any) -> BatchReceipt:
    """Send one batch under an assignment's token, from a writer of its own."""
    writer = taken.lease.token[:12].lower().translate(str.maketrans("ilou_-", "000000"))
    said = Batch.model_validate({"writer": writer, "number": number, **records})
    return ingest.take(conn, taken.run.id, taken.lease.token, Delivery(writer, number, (), said), later(60))


def durable(step: int, segment: int, *, at: float = 40, value: float | None = None) -> dict[str, Any]:
    """What a trainer says of a checkpoint that is on disk."""
    sizes = {"size_bytes": 10, "written_bytes": 10, "location": "store", "digest": "a" * 64}
    return {"id": new_id(), "segment": segment, "step": step, "kind": "last", "value": value, "at": later(at), **sizes}


def test_an_ended_run_queues_again_its_end_stays_in_the_audit(conn: Connection) -> None:
    taken, ids = ended(conn, **PATIENCE, test=TEST)
    run = resume(conn, taken.run.id, learning_rate="0.1x")
    assert (run.state, run.ended_at, run.stop_reason, run.stop_message, run.test) == ("queued", None, None, None, None)
    assert (run.wait, run.patience_left, run.best_step, run.worker_name) == (None, None, 200, None)
    assert (run.start_checkpoint, resume_point.read_changes(run)) == (
        ids[300],
        Overrides(learning_rate="0.1x", reset_patience=True),  # its stopper ended it
    )
    entry = conn.execute(select(AuditEntryTable).where(AuditEntryTable.action == "run.resume")).one()
    assert (entry.user, entry.detail["stop_reason"], entry.detail["test"]["values"]) == (
        "ada", "patience", {"accuracy": 0.9},
    )  # fmt: skip
    assert kinds(conn, run)[-1] == "run.state"


PLACES: list[tuple[dict[str, Any], int]] = [
    ({}, 300),
    ({"to": "last"}, 300),
    ({"to": "best"}, 200),
    ({"step": 200}, 200),
]


@pytest.mark.parametrize(("place", "step"), PLACES)
def test_it_goes_on_from_the_place_that_is_named(conn: Connection, place: dict[str, Any], step: int) -> None:
    taken, ids = ended(conn, "cancelled")
    run = resume(conn, taken.run.id, **place)
    assert (run.start_checkpoint, run.start_overrides) == (ids[step], None)
    assert retention.list_superseded(conn, run) == []  # where it goes on stays, whatever retention says
    again = claim(conn)
    assert again.resume is not None
    assert (again.resume.id, again.parent_segment, again.next_segment, again.attempt) == (ids[step], 0, 1, 2)
    assert again.overrides is None


WRONG: list[tuple[dict[str, Any], type[KeepbestError], str]] = [
    ({"to": "best", "step": 200}, InvalidInput, "one place"),
    ({"step": 250}, NotFound, "there is step 200, 300"),
    ({"checkpoint": "z" * 12}, NotFound, "no such checkpoint"),
    ({"max_steps": 300}, InvalidInput, "must be more"),
    ({"learning_rate": "0.0x"}, InvalidInput, "trains nothing"),
]


@pytest.mark.parametrize(("asked", "error", "told"), WRONG)
def test_what_cannot_be_is_refused(conn: Connection, asked: dict[str, Any], error: type[Exception], told: str) -> None:
    taken, _ = ended(conn)
    with pytest.raises(error, match=told):
        resume(conn, taken.run.id, **asked)
    assert runs.get_run(conn, taken.run.id).state == "finished"


def test_a_run_that_lacks_a_part_keeps_the_end_that_it_had(conn: Connection) -> None:
    taken, _ = ended(conn, **PATIENCE)
    conn.execute(
        update(RunTable).where(RunTable.id == taken.run.id).values(incomplete="tokenizer (Words), attribute queue")
    )
    with pytest.raises(Conflict, match="are incomplete, so that training cannot resume there: tokenizer") as told:
        resume(conn, taken.run.id)
    assert f"keepbest restore {taken.run.id} --partial" in str(told.value.hint)
    assert runs.get_run(conn, taken.run.id).state == "finished"


def test_a_dropped_checkpoint_is_told_how_to_have_back(conn: Connection) -> None:
    taken, ids = ended(conn)
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == ids[300]).values(state="dropped"))
    with pytest.raises(NotFound, match="was dropped") as raised:
        resume(conn, taken.run.id, checkpoint=ids[300])
    assert f"--pin {ids[300]}" in str(raised.value.hint)


def test_where_it_came_to_its_last_step_it_needs_more_of_them(conn: Connection) -> None:
    taken, _ = ended(conn, stop_reason="max_steps")
    with pytest.raises(Conflict, match="nothing would be trained") as raised:
        resume(conn, taken.run.id)
    assert "--max-steps 20000" in str(raised.value.hint)
    with pytest.raises(Conflict) as refused:
        commands.request_command(conn, runs.get_run(conn, taken.run.id), StopRequest(), user="ada", now=NOW)
    assert f"`keepbest resume {taken.run.id} --max-steps 20000`" in str(refused.value.hint)
    run = resume(conn, taken.run.id, max_steps=30_000)
    assert (run.max_steps, resume_point.read_changes(run)) == (30_000, Overrides(max_steps=30_000))
    assert claim(conn).run.steps_at_most == 30_000


def test_only_an_ended_run_of_a_worker_goes_on(conn: Connection) -> None:
    living = submit(conn)
    with pytest.raises(Conflict, match="has not ended"):
        resume(conn, living.id)
    own = script(conn)
    commands.cancel_run(conn, own, user="ada", now=NOW)
    with pytest.raises(InvalidInput, match="Its own script") as raised:
        resume(conn, own.id)
    assert "keepbest.init(" in str(raised.value.hint)


def test_a_trainer_is_told_where_its_run_would_go_on(conn: Connection) -> None:
    """Only where that may have changed, and again where the answer was lost: it keeps that checkpoint on disk."""
    submit(conn)
    taken = claim(conn)
    opened = {"number": 0, "reason": "start", "start_step": 0, "at": later(10)}
    first, second = durable(100, 0), durable(200, 0)
    assert say(conn, taken, segments=[opened], checkpoints=[first]).resume_checkpoint == first["id"]
    assert say(conn, taken, 2, progress={"step": 150, "at": later(45)}).resume_checkpoint is None
    told = {"checkpoints": [second], "dropped": [{"id": first["id"], "reason": "newer", "at": later(50)}]}
    assert say(conn, taken, 3, **told).resume_checkpoint == second["id"]
    assert say(conn, taken, 3, **told).resume_checkpoint == second["id"]


def test_without_any_checkpoint_it_begins_anew(conn: Connection) -> None:
    run = submit(conn)
    commands.cancel_run(conn, run, user="ada", now=NOW)
    with pytest.raises(InvalidInput, match="no checkpoint at which"):
        resume(conn, run.id, learning_rate="0.1x")
    resume(conn, run.id, reset_patience=True)
    taken = claim(conn)
    assert (taken.resume, taken.overrides, taken.parent_segment) == (None, None, None)


def test_its_attempts_are_counted_from_there(conn: Connection) -> None:
    """One of one attempt was spent: after a person had it go on, there is one more."""
    taken, _ = ended(conn, "crashed")
    assert runs.get_run(conn, taken.run.id).state == "failed"
    resume(conn, taken.run.id)
    assert release(conn, claim(conn), "handed_back").state == "queued"
    assert release(conn, claim(conn), "crashed").state == "failed"


def test_an_attempt_from_before_is_history(conn: Connection) -> None:
    """Its late words change neither the start, nor the state, the best or the segments of the run that goes on."""
    first, ids = ended(conn, "crashed")
    before = resume(conn, first.run.id, step=200, learning_rate="0.1x")
    late: dict[str, Any] = {
        "segments": [{"number": 1, "parent": 0, "reason": "roll_back", "start_step": 0, "at": NOW,
                      "overrides": {"max_steps": 7}}],
        "checkpoints": [durable(400, 0, at=-1, value=0.99), durable(10, 1, at=-1)],
    }  # fmt: skip
    say(conn, first, 1, **late)
    assert runs.get_run(conn, first.run.id) == before
    again = claim(conn)
    assert (again.resume and again.resume.id, again.next_segment) == (ids[200], 1)
    begin(conn, again)
    before = runs.get_run(conn, first.run.id)
    say(conn, first, 2, checkpoints=[durable(500, 0, at=-1, value=1.0)], progress={"step": 777, "at": NOW})
    assert runs.get_run(conn, first.run.id) == before


def test_a_lease_from_before_does_not_come_back_to_life(conn: Connection) -> None:
    """Regression: a worker that fell silent for good came back after somebody had its failed run go on."""
    submit(conn, max_attempts=1)
    begin(conn, taken := claim(conn))
    assert leases.expire_leases(conn, later(31)) == [taken.run.id]
    run = resume(conn, taken.run.id)
    with pytest.raises(LeaseLost):
        leases.renew(conn, run, taken.lease.token, seconds=30, now=later(40))
    assert runs.get_run(conn, run.id).state == "queued"


def test_the_changes_are_made_until_a_checkpoint_holds_them(conn: Connection) -> None:
    taken, ids = ended(conn, **PATIENCE)
    resume(conn, taken.run.id, step=200, learning_rate="0.1x")
    first = claim(conn)
    begin(conn, first)
    release(conn, first, "handed_back")
    second = claim(conn)
    assert (second.resume and second.resume.id, second.overrides) == (ids[200], first.overrides)
    begin(conn, second)
    held = durable(200, second.next_segment)
    say(conn, second, checkpoints=[held])
    release(conn, second, "handed_back")
    third = claim(conn)
    assert (third.resume and third.resume.id, third.overrides) == (held["id"], None)


def test_a_run_cancelled_before_training_still_owes_its_changes(conn: Connection) -> None:
    taken, _ = ended(conn)
    early = add_checkpoint(conn, runs.get_run(conn, taken.run.id), step=100, value=0.1)
    resume(conn, taken.run.id, step=100, learning_rate="0.1x")
    release(conn, claim(conn), "handed_back")
    run = commands.cancel_run(conn, runs.get_run(conn, taken.run.id), user="ada", now=NOW)
    assert retention.list_superseded(conn, run) == []
    run = resume(conn, taken.run.id, max_steps=5000)
    changes = Overrides(learning_rate="0.1x", max_steps=5000)
    assert (run.start_checkpoint, resume_point.read_changes(run)) == (early, changes)


CHANGED = {"learning_rate": "0.5x", "max_steps": 700}


@pytest.mark.parametrize(("on_disk", "reason"), [(True, "roll_back"), (False, "roll_back"), (True, "recover")])
def test_a_roll_back_with_changes_outlives_a_crash(conn: Connection, on_disk: bool, reason: str) -> None:
    """In the moment before a checkpoint holds them the next attempt makes them again."""
    run = submit(conn)
    begin(conn, taken := claim(conn))
    kept = add_checkpoint(conn, run, step=100)
    add_checkpoint(conn, run, step=300)
    opened = {"number": 1, "parent": 0, "reason": reason, "start_step": 150, "at": NOW, "overrides": CHANGED}
    where = {"start_step": 100, "checkpoint": kept} if on_disk else {}
    say(conn, taken, 1, segments=[opened | where], checkpoints=[durable(140, 0)])
    run = runs.get_run(conn, run.id)
    assert (run.max_steps, resume_point.read_changes(run)) == (700, Overrides.model_validate(CHANGED))
    release(conn, taken, "handed_back")
    again = claim(conn)
    assert again.resume is not None
    assert (again.resume.step, again.overrides) == (100 if on_disk else 140, Overrides.model_validate(CHANGED))
    begin(conn, again)
    say(conn, again, 1, checkpoints=[durable(again.resume.step, 2)])
    assert runs.get_run(conn, run.id).start_overrides is None


def test_a_checkpoint_on_an_abandoned_tail_holds_no_changes(conn: Connection) -> None:
    run = submit(conn)
    begin(conn, taken := claim(conn))
    back: dict[str, Any] = {"reason": "roll_back", "at": NOW}
    changed = {**back, "number": 1, "parent": 0, "start_step": 150, "overrides": CHANGED}
    again = {**back, "number": 2, "parent": 1, "start_step": 160}
    say(conn, taken, 1, segments=[changed, again], checkpoints=[durable(170, 1)])
    assert resume_point.read_changes(runs.get_run(conn, run.id)) == Overrides.model_validate(CHANGED)
    say(conn, taken, 2, checkpoints=[durable(160, 1)])
    assert resume_point.read_changes(runs.get_run(conn, run.id)) is None


def test_a_roll_back_without_changes_forgets_earlier_ones(conn: Connection) -> None:
    taken, ids = ended(conn)
    resume(conn, taken.run.id, learning_rate="0.1x")
    begin(conn, again := claim(conn))
    back = {"number": 2, "parent": 0, "reason": "roll_back", "start_step": 200, "checkpoint": ids[200], "at": NOW}
    say(conn, again, 1, segments=[back])
    run = runs.get_run(conn, taken.run.id)
    assert (run.start_checkpoint, run.start_overrides) == (None, None)


def test_the_changes_are_kept_with_their_segment(conn: Connection) -> None:
    submit(conn)
    begin(conn, taken := claim(conn))
    run = open_segment(conn, taken, 1, parent=0, start_step=5, overrides=CHANGED)
    assert [one.overrides for one in segments.list_segments(conn, run.pk)] == [None, Overrides.model_validate(CHANGED)]


def test_what_an_attempt_dropped_is_not_handed_out(conn: Connection) -> None:
    taken, ids = ended(conn)
    resume(conn, taken.run.id)
    conn.execute(
        update(CheckpointTable).where(CheckpointTable.id == ids[300]).values(state=CheckpointState.DROPPED.value)
    )
    found = claim(conn).resume
    assert found is not None
    assert found.id == ids[200]
    assert checkpoints.get_checkpoint(conn, ids[300]).state is CheckpointState.DROPPED


@pytest.mark.parametrize("outcome", ["finished", "failed", "cancelled"])
def test_a_resume_that_is_cancelled_leaves_the_run_as_it_was(conn: Connection, outcome: str) -> None:
    """The run became `cancelled`, without its stop reason, its test result and its error."""
    said = {"test": TEST} if outcome == "finished" else {}
    taken, _ = ended(conn, outcome, **PATIENCE, **said)
    before = runs.get_run(conn, taken.run.id)
    run = resume(conn, taken.run.id, to="best", learning_rate="0.1x", max_steps=5000)
    command = commands.request_command(conn, run, CancelRequest(), user="ada", now=later(70))
    after = runs.get_run(conn, taken.run.id)
    changed = {name for name in before._fields if getattr(before, name) != getattr(after, name)}
    assert (changed, command.state) == ({"updated_at"}, "done")
    assert command.message == f"No worker had resumed the run: it is {before.state} again."
    assert resume(conn, taken.run.id).state == "queued"


def test_a_resumed_run_that_was_taken_up_is_cancelled_as_any(conn: Connection) -> None:
    taken, _ = ended(conn, **PATIENCE)
    resume(conn, taken.run.id)
    release(conn, claim(conn), "handed_back")
    run = runs.get_run(conn, taken.run.id)
    commands.request_command(conn, run, CancelRequest(), user="ada", now=later(70))
    assert runs.get_run(conn, taken.run.id).state == "cancelled"
