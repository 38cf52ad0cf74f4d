"""Runs: found by the first letters of an id, moved through one door, deleted only when nobody holds them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, update

from keepbest.contract.runs import RunPatch
from keepbest.contract.tags import TagChanges
from keepbest.errors import Conflict, InvalidInput, NotFound, RunDeleted, TransitionRefused
from keepbest.status import TRANSITIONS, RunState, StopReason
from tests.support.store import NOW, claim, kinds, later, submit
from tracker import db
from tracker.models import AuditEntryTable, RunTable
from tracker.store import deletions, events, runs

MOVES = list(itertools.product(RunState, RunState))


@pytest.mark.parametrize(("origin", "target"), MOVES)
def test_a_run_moves_only_where_the_table_says(conn: Connection, origin: RunState, target: RunState) -> None:
    run = put(conn, origin)
    if target in TRANSITIONS[origin]:
        assert runs.move_run(conn, run, target, now=later(1)).state == target
        assert kinds(conn, run)[-1] == "run.state"
        return
    with pytest.raises(TransitionRefused, match=f"is {origin}"):
        runs.move_run(conn, run, target, now=later(1))


def put(conn: Connection, state: RunState) -> runs.RunRow:
    run = submit(conn)
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(state=state.value))
    return runs.get_run(conn, run.id)


def test_a_run_read_before_somebody_else_moved_it_is_not_moved(conn: Connection) -> None:
    run = submit(conn)
    runs.move_run(conn, run, RunState.CANCELLED, now=NOW)
    with pytest.raises(Conflict, match="has just changed"):
        runs.move_run(conn, run, RunState.FAILED, now=NOW)


def test_a_final_run_has_an_end_and_no_lease(conn: Connection) -> None:
    submit(conn)
    run = runs.get_run(conn, claim(conn).run.id)
    ended = runs.move_run(conn, run, RunState.FAILED, now=later(5), reason=StopReason.ERROR, message="gone")
    assert (ended.ended_at, ended.lease_digest, ended.lease_expires_at) == (later(5), None, None)
    assert (ended.stop_reason, ended.stop_message, ended.worker_name) == ("error", "gone", "mill")


def test_a_run_is_found_by_the_first_letters_of_its_id(conn: Connection) -> None:
    run = submit(conn)
    assert {runs.get_run(conn, run.id[:length]).id for length in range(4, 13)} == {run.id}


@pytest.mark.parametrize("reference", ["", "abc", "no-such-run!", "abcd%", "____", "0" * 12, "0" * 13, "ABCD", "äöüß"])
def test_what_names_no_run_is_not_found(conn: Connection, reference: str) -> None:
    submit(conn)
    with pytest.raises(NotFound):
        runs.get_run(conn, reference)


def test_an_ambiguous_beginning_names_the_candidates(conn: Connection) -> None:
    for number, id in enumerate(["aaaa11111111", "aaaa22222222"]):
        run = submit(conn, name=f"run {number}")
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(id=id))
    with pytest.raises(InvalidInput, match=r"aaaa22222222 \(run 1\), aaaa11111111 \(run 0\)"):
        runs.get_run(conn, "aaaa")
    assert runs.get_run(conn, "aaaa2").id == "aaaa22222222"


def test_people_change_name_notes_and_tags_and_nothing_else(conn: Connection) -> None:
    run = submit(conn, tags=["old"])
    patched = runs.patch_run(conn, run, RunPatch(name="new", tags=["a", "b"]), user="ada", now=later(1))
    assert (patched.name, patched.tags, patched.notes, patched.spec) == ("new", ["a", "b"], "", run.spec)
    assert kinds(conn, run)[-1] == "run.changed"
    assert runs.patch_run(conn, patched, RunPatch(), user="ada", now=later(2)).updated_at == later(1)


def test_changes_of_two_people_are_both_kept(engine: Engine) -> None:
    """Each change waits for the run's lock, and begins with what the change before it left."""
    with db.write(engine) as conn:
        run = submit(conn, tags=["old"], notes="first")

    def change(number: int) -> None:
        patch = RunPatch(tag_changes=TagChanges(add=[f"t{number}"], remove=["old"]), more_notes=f"line {number}")
        with db.write(engine) as conn:
            runs.patch_run(conn, runs.get_run(conn, run.id, lock=True), patch, user="ada", now=later(1))

    with ThreadPoolExecutor(4) as people:
        list(people.map(change, range(8)))
    with db.read(engine) as conn:
        patched = runs.get_run(conn, run.id)
        event = events.read_events(conn, 0, events.max_seq(conn), limit=100, run=run.id)[-1]
    assert sorted(patched.tags) == [f"t{number}" for number in range(8)]
    assert sorted(patched.notes.split("\n")) == ["first", *(f"line {number}" for number in range(8))]
    assert (event.data["tags"], event.data["notes"]) == (patched.tags, patched.notes)


def test_more_than_a_run_can_hold_is_refused(conn: Connection) -> None:
    run = submit(conn, tags=[f"t{number}" for number in range(50)], notes="n" * 9_999)
    for patch, field in ((RunPatch(tag_changes=TagChanges(add=["new"])), "tags"), (RunPatch(more_notes="nn"), "notes")):
        with pytest.raises(InvalidInput) as refused:
            runs.patch_run(conn, run, patch, user="ada", now=NOW)
        assert refused.value.field == field


@pytest.mark.parametrize("fields", [{"tags": [], "tag_changes": {}}, {"notes": "", "more_notes": ""}])
def test_a_patch_changes_each_thing_in_one_way(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not both"):
        RunPatch.model_validate(fields)


def test_a_run_that_a_worker_holds_is_not_deleted(conn: Connection) -> None:
    submit(conn)
    run = runs.get_run(conn, claim(conn).run.id)
    with pytest.raises(Conflict, match="a worker holds it"):
        deletions.delete_run(conn, run, user="ada", now=NOW)


def test_a_deleted_run_is_gone_and_was_cancelled_first(conn: Connection) -> None:
    run = submit(conn)
    deletions.delete_run(conn, run, user="ada", now=NOW)
    with pytest.raises(NotFound):
        runs.get_run(conn, run.id)
    assert runs.get_by_pk(conn, run.pk).state == "cancelled"
    assert kinds(conn, run)[-2:] == ["run.state", "run.deleted"]
    assert conn.execute(select(AuditEntryTable.action)).scalars().all()[-1] == "run.delete"


def test_a_deleted_run_is_told_from_one_that_never_was(conn: Connection) -> None:
    run = submit(conn)
    deletions.delete_run(conn, run, user="ada", now=NOW)
    with pytest.raises(RunDeleted, match=f"Run #{run.number} .* was deleted") as caught:
        runs.get_run(conn, run.id[:6])
    assert f"keepbest rm {run.id} --undo" in str(caught.value.hint)
    with pytest.raises(NotFound, match="There is no run"):
        runs.get_run(conn, "0" * 12)
