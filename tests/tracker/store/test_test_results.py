"""Each measurement of a test set is kept, whatever became of the run after it."""

from __future__ import annotations

from sqlalchemy import Connection

from tests.support.store import begin, claim, later, release, submit
from tests.tracker.store.test_resumes import TEST, ended, resume
from tracker.store import runs, test_results


def test_a_second_one_does_not_take_the_place_of_the_first(conn: Connection) -> None:
    taken, _ = ended(conn, test=TEST)
    resume(conn, taken.run.id)
    again = claim(conn)
    run = begin(conn, again)
    assert run.test is None
    release(conn, again, "finished", test={**TEST, "step": 400, "values": {"accuracy": 0.8}}, now=later(70))
    first, second = test_results.list_test_results(conn, run.pk)
    assert (first.step, first.values, first.attempt, first.worker) == (200, {"accuracy": 0.9}, 1, "mill")
    assert (second.step, second.values, second.attempt, second.at) == (400, {"accuracy": 0.8}, 2, later(70))
    assert runs.get_by_pk(conn, run.pk).test["step"] == 400


def test_a_release_that_is_said_again_is_one_measurement(conn: Connection) -> None:
    submit(conn)
    taken = claim(conn)
    run = begin(conn, taken)
    for _ in range(2):
        release(conn, taken, "finished", test=TEST)
    assert len(test_results.list_test_results(conn, run.pk)) == 1


def test_a_run_without_a_test_set_has_none(conn: Connection) -> None:
    submit(conn)
    taken = claim(conn)
    run = begin(conn, taken)
    release(conn, taken, "finished")
    assert test_results.list_test_results(conn, run.pk) == []
