"""Checkpoints that a later attempt finds in its store and tells: known once, never back from the dropped."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from keepbest.contract.workers import Assignment
from tests.support.store import NOW, begin, claim, kinds, later, release, submit
from tests.tracker.store.test_resumes import durable, say
from tracker.store import checkpoints, runs

DROPPED = {"reason": "retention", "at": later(41)}


def states(conn: Connection, taken: Assignment) -> dict[str, str]:
    run = runs.get_run(conn, taken.run.id)
    return {one.id: one.state.value for one in checkpoints.list_checkpoints(conn, run)}


def killed(conn: Connection, **first: Any) -> tuple[Assignment, dict[str, Any]]:
    """An attempt that told of step 200 and was killed; return the next one, which trains, and what was told."""
    submit(conn, mode="max")
    taken = claim(conn)
    begin(conn, taken)
    known = durable(200, 0, value=0.5)
    say(conn, taken, checkpoints=[known], **first)
    release(conn, taken, "crashed")
    again = claim(conn)
    begin(conn, again)
    return again, known


def test_an_untold_checkpoint_is_known_afterwards_not_the_best(conn: Connection) -> None:
    """The tracker does not know checkpoint X of run Y. It lies on a tail that is trained again: no best of then."""
    again, known = killed(conn)
    orphan = durable(300, 0, value=0.9)
    receipt = say(conn, again, checkpoints=[known, orphan])
    assert states(conn, again) == {known["id"]: "durable", orphan["id"]: "durable"}
    assert (receipt.best_checkpoint, receipt.resume_checkpoint) == (known["id"], known["id"])
    trained = durable(300, 1, value=0.9)
    receipt = say(conn, again, 2, checkpoints=[trained], dropped=[{"id": orphan["id"], **DROPPED}])
    assert (receipt.best_checkpoint, receipt.resume_checkpoint) == (trained["id"], trained["id"])
    assert kinds(conn, runs.get_run(conn, again.run.id)).count("run.checkpoint") == 4  # each news once


def test_what_was_dropped_stays_dropped(conn: Connection) -> None:
    gone = durable(100, 0, value=0.99)
    again, known = killed(conn, dropped=[{"id": gone["id"], **DROPPED}])
    say(conn, again, checkpoints=[gone], dropped=[{"id": gone["id"], **DROPPED}])
    assert states(conn, again)[gone["id"]] == "dropped"
    assert runs.get_run(conn, again.run.id).best_checkpoint == known["id"]  # it was told and dropped in one batch
    say(conn, again, 2, checkpoints=[gone])
    assert states(conn, again)[gone["id"]] == "dropped"
    assert runs.get_run(conn, again.run.id).best_checkpoint == known["id"]


def test_a_found_checkpoint_that_training_resumes_is_the_best(conn: Connection) -> None:
    """Its worker found the one it was to go on from damaged, and took the newest that is whole."""
    again, known = killed(conn)
    orphan = durable(300, 0, value=0.9)
    opened = {"number": 2, "parent": 0, "reason": "roll_back", "start_step": 300, "checkpoint": orphan["id"], "at": NOW}
    receipt = say(conn, again, segments=[opened], checkpoints=[known, orphan])
    assert (receipt.best_checkpoint, receipt.resume_checkpoint) == (orphan["id"], orphan["id"])
