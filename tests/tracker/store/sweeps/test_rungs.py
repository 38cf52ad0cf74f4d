"""A pause in the tables: what a release leaves, who lets the run go on, and what becomes of it otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from keepbest.contract.commands import StopRequest
from keepbest.contract.overrides import ResumeRequest
from keepbest.contract.policies import PolicySpec
from keepbest.contract.rules import RulesRequest
from keepbest.contract.sweeps import RungMark, Sweep, SweepRequest, SweepRung, SweepState
from keepbest.contract.workers import Assignment, Release
from keepbest.errors import Conflict, InvalidInput
from keepbest.stopping import parse
from tests.support.store import NOW, add_checkpoint, begin, claim, hello, later, release, submit
from tests.tracker.store.sweeps.test_sweeps import RATES, add, row_of
from tracker.models import RungTable, RunTable
from tracker.store import commands, deletions, leases, resumes, retention, rules, runs
from tracker.store.access import audit
from tracker.store.runs import RunRow
from tracker.store.sweeps import due, rungs, sweeps
from tracker.store.sweeps.promotions import Promotable

HALVING = "patience(10) | successive_halving(100, factor=2)"


def ask(conn: Connection, stop: str = HALVING, **said: Any) -> Sweep:
    hello(conn)
    run = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "stopper": parse(stop), **said.pop("run", {})}
    asked = SweepRequest.model_validate({"run": run, "space": RATES, "search": "grid", **said})
    return sweeps.create(conn, asked, user="ada", key=None, now=NOW)


def train(conn: Connection, best: float | None = 0.5, step: int = 100) -> Assignment:
    """Claim the next run, and let it come to a step with this best value."""
    taken = claim(conn)
    begin(conn, taken)
    known = {"step": step, "best_value": best, "best_step": best and step, "mode": "max"}
    conn.execute(update(RunTable).where(RunTable.id == taken.run.id).values(**known))
    return taken


def pause(conn: Connection, taken: Assignment, rung: int = 1) -> RunRow:
    return release(conn, taken, "paused", rung=rung, stop_message="It waits.", now=later(60))


def paused(conn: Connection, best: float | None = 0.5) -> tuple[Sweep, RunRow]:
    """Return a sweep and its first run, which waits at rung 1."""
    sweep = ask(conn)
    add(conn, sweep, 1)
    return sweep, pause(conn, train(conn, best))


def marks(conn: Connection) -> list[tuple[int, int, float | None, bool]]:
    found = conn.execute(
        select(RungTable.rung, RungTable.step, RungTable.value, RungTable.promoted_at).order_by(
            RungTable.run_pk, RungTable.rung
        )
    )
    return [(row.rung, row.step, row.value, row.promoted_at is not None) for row in found]


@pytest.mark.parametrize("best", [0.5, None])
def test_a_paused_run_waits_with_its_best_up_to_there(conn: Connection, best: float | None) -> None:
    sweep, run = paused(conn, best)
    assert (run.state, run.stop_reason, run.stop_message) == ("paused", "successive_halving", "It waits.")
    assert (run.lease_digest, run.ended_at) == (None, None)
    assert marks(conn) == [(1, 100, best, False)]
    known = sweeps.list_runs(conn, row_of(conn, sweep))
    assert known.sweep.counts.model_dump(exclude_defaults=True) == {"made": 1, "paused": 1}
    assert known.sweep.halving is not None
    assert (known.sweep.halving.min_steps, known.sweep.halving.factor) == (100, 2)
    assert known.runs[0].rungs == [RungMark(rung=1, step=100, value=best, promoted=False)]
    assert known.rungs == [SweepRung(rung=1, step=100, runs=1, waiting=1, promoted=0, best_value=best)]


def test_said_again_it_changes_nothing_even_after_a_promotion(conn: Connection) -> None:
    sweep = ask(conn)
    add(conn, sweep, 1)
    taken = train(conn)
    pause(conn, taken)
    assert pause(conn, taken).state == "paused"
    sweeps.promote(conn, sweep.id, taken.run.id, 1, NOW)
    assert pause(conn, taken).state == "queued"
    assert marks(conn) == [(1, 100, 0.5, True)]


def test_a_promoted_run_queues_once_and_knows_its_next_rung(conn: Connection) -> None:
    sweep = ask(conn)
    add(conn, sweep, 1)
    taken = train(conn)
    assert taken.promotions == 0
    run = pause(conn, taken)
    at = add_checkpoint(conn, run, step=100)
    sweeps.promote(conn, sweep.id, run.id, 1, NOW)
    with pytest.raises(Conflict):
        sweeps.promote(conn, sweep.id, run.id, 1, NOW)
    again = train(conn, 0.7, 200)
    assert (again.run.id, again.promotions, again.resume and again.resume.id) == (run.id, 1, at)
    pause(conn, again, 2)
    assert marks(conn) == [(1, 100, 0.5, True), (2, 200, 0.7, False)]
    (entry,) = [one for one in audit.list_entries(conn, before=None, limit=20) if one.action == "run.promote"]
    assert (entry.user, entry.target, entry.detail) == ("scheduler", run.id, {"rung": 1})


def test_a_promotion_is_no_failed_attempt(conn: Connection) -> None:
    """Promoted three times of two attempts it said "attempt 4 of 2"; the two that fail it are crashes."""
    sweep = ask(conn, run={"max_attempts": 2})
    add(conn, sweep, 1)
    for rung in (1, 2, 3):
        run = pause(conn, train(conn, step=100 * rung), rung)
        sweeps.promote(conn, sweep.id, run.id, rung, NOW)
    run = release(conn, train(conn), "crashed")
    assert (run.state, run.attempt, run.failed_attempts) == ("queued", 4, 1)
    run = release(conn, train(conn), "crashed")
    assert (run.state, run.attempt, runs.get_run(conn, run.id).failed_attempts) == ("failed", 5, 2)
    assert runs.show_run(run).failed_attempts == 2
    assert runs.show_in_list(run).failed_attempts is None
    resumes.resume(conn, run, ResumeRequest(), user="ada", now=NOW)
    assert runs.get_run(conn, run.id).failed_attempts == 0


def test_a_run_past_several_rungs_at_once_stands_at_each(conn: Connection) -> None:
    """The second came past rung 2 to rung 3, and is ranked at 2 with what it had then."""
    sweep = ask(conn, at_once=3)
    for number in (1, 2):
        add(conn, sweep, number, learning_rate=number / 10)
        pause(conn, train(conn, number / 10), 1)
        sweeps.promote(conn, sweep.id, runs_of(conn, sweep)[-1], 1, NOW)
        pause(conn, train(conn, number / 5, 200 * number), 1 + number)
    found = conn.execute(select(RungTable.rung, RungTable.since).order_by(RungTable.run_pk, RungTable.rung)).all()
    assert [tuple(row) for row in found] == [(1, 1), (2, 2), (1, 1), (3, 2)]
    assert due.list_due(conn)[0].promotable == ()  # one of one at rung 3; of two at rung 2 the best waits at 3
    deletions.delete_run(conn, runs.get_run(conn, runs_of(conn, sweep)[1]), user="ada", now=NOW)
    assert due.list_due(conn)[0].promotable == ()  # one of one


def runs_of(conn: Connection, sweep: Sweep) -> list[str]:
    return [run.run for run in sweeps.list_runs(conn, row_of(conn, sweep)).runs]


def test_with_all_tries_made_a_sweep_is_due_where_one_may_go_on(conn: Connection) -> None:
    sweep = ask(conn, at_once=3)
    for number in (1, 2, 3):
        add(conn, sweep, number, learning_rate=number / 10)
    pause(conn, train(conn, 0.9))
    assert due.list_due(conn) == []  # one of one at the rung
    pause(conn, train(conn, 0.5))
    (sweep_due,) = due.list_due(conn)
    first = sweeps.list_runs(conn, row_of(conn, sweep)).runs[0]
    assert (sweep_due.id, sweep_due.free, sweep_due.promotable) == (sweep.id, 2, (Promotable(first.run, 1),))
    assert first.rungs[0].value == 0.9


def test_a_person_promotes_it_by_resuming_it(conn: Connection) -> None:
    _, run = paused(conn)
    add_checkpoint(conn, run, step=100)
    assert resumes.resume(conn, run, ResumeRequest(), user="ada", now=NOW).state == "queued"
    assert marks(conn) == [(1, 100, 0.5, True)]
    assert claim(conn).promotions == 1
    (entry,) = [one for one in audit.list_entries(conn, before=None, limit=20) if one.action == "run.resume"]
    assert entry.detail is not None
    assert (entry.user, entry.detail["state"], entry.detail["step"]) == ("ada", "paused", 100)


def test_without_its_sweep_nothing_pauses(conn: Connection) -> None:
    """A sweep that has ended, or a run by itself: nobody would ever let it go on."""
    sweep = ask(conn)
    add(conn, sweep, 1)
    taken = train(conn)
    sweeps.end(conn, row_of(conn, sweep), SweepState.FINISHED, NOW)
    assert pause(conn, taken).state == "queued"
    assert claim(conn).promotions is None
    submit(conn)
    alone = claim(conn)
    begin(conn, alone)
    assert (alone.promotions, pause(conn, alone).state) == (None, "queued")
    assert marks(conn) == []


def test_cancelled_while_it_pauses_or_waits_it_ends(conn: Connection) -> None:
    sweep = ask(conn)
    for number in (1, 2):
        add(conn, sweep, number)
    first, second = train(conn), train(conn)
    waiting = pause(conn, first)
    commands.cancel_run(conn, runs.get_run(conn, second.run.id), user="ada", now=NOW)
    assert pause(conn, second).state == "cancelled"
    assert commands.cancel_run(conn, waiting, user="ada", now=NOW).state == "cancelled"
    # It keeps its place at the rung; the one that never paused has none.
    assert sweeps.list_runs(conn, row_of(conn, sweep)).rungs[0].runs == 1


def test_with_its_sweep_it_is_cancelled_too(conn: Connection) -> None:
    sweep, run = paused(conn)
    sweeps.cancel(conn, sweeps.get_sweep(conn, sweep.id, lock=True), user="ada", now=NOW)
    assert runs.get_run(conn, run.id).state == "cancelled"
    with pytest.raises(Conflict):
        sweeps.promote(conn, sweep.id, run.id, 1, NOW)


def test_it_may_be_deleted_and_counts_no_more(conn: Connection) -> None:
    sweep, run = paused(conn)
    deletions.delete_run(conn, run, user="ada", now=NOW)
    known = sweeps.list_runs(conn, row_of(conn, sweep))
    assert (known.runs, known.rungs, known.sweep.counts.paused) == ([], [], 0)


def test_it_keeps_its_best_and_where_it_goes_on(conn: Connection) -> None:
    sweep = ask(conn, run={"retention": {"best": 1, "last": 0}})
    add(conn, sweep, 1)
    taken = train(conn, 0.9, 300)
    run = runs.get_run(conn, taken.run.id)
    ids = [add_checkpoint(conn, run, step=step, value=value) for step, value in ((100, 0.5), (200, 0.9), (300, 0.7))]
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(best_checkpoint=ids[1]))
    run = pause(conn, taken)
    assert [one.step for one in retention.list_superseded(conn, run)] == [100]
    rungs.finish(conn, run, "Place 2 of 2.", NOW)
    assert [one.step for one in retention.list_superseded(conn, runs.get_run(conn, run.id))] == [100, 300]


def test_not_promoted_it_is_finished_and_may_still_be_resumed(conn: Connection) -> None:
    sweep, run = paused(conn)
    add_checkpoint(conn, run, step=100)
    rungs.finish(conn, run, "Place 2 of 2.", later(90))
    sweeps.end(conn, row_of(conn, sweep), SweepState.FINISHED, NOW)
    run = runs.get_run(conn, run.id)
    assert (run.state, run.stop_reason, run.stop_message, run.ended_at) == (
        "finished", "successive_halving", "Place 2 of 2.", later(90),
    )  # fmt: skip
    with pytest.raises(Conflict):
        rungs.finish(conn, run, "again", NOW)
    resumes.resume(conn, run, ResumeRequest(), user="ada", now=NOW)
    again = claim(conn)
    assert (again.promotions, again.overrides, again.resume and again.resume.step) == (None, None, 100)


def test_an_expired_lease_is_given_again_and_a_late_pause_taken(conn: Connection) -> None:
    sweep = ask(conn)
    add(conn, sweep, 1)
    taken = train(conn)
    assert leases.expire_leases(conn, later(100)) == [taken.run.id]
    assert release(conn, taken, "paused", rung=1, now=later(101)).state == "paused"
    assert marks(conn) == [(1, 100, 0.5, False)]


def test_a_stop_asked_of_a_waiting_run_says_what_to_do(conn: Connection) -> None:
    _, run = paused(conn)
    with pytest.raises(Conflict, match="nothing trains it") as raised:
        commands.request_command(conn, run, StopRequest(), user="ada", now=NOW)
    assert raised.value.hint is not None
    assert f"keepbest resume {run.id}" in raised.value.hint


WRONG = [
    ("successive_halving(100) | successive_halving(200)", {}, "names successive_halving twice"),
    ("successive_halving(900)", {"max_steps": 900}, "not before the last step, 900"),
]


@pytest.mark.parametrize(("stop", "said", "message"), WRONG)
def test_a_sweep_in_which_no_run_would_pause_is_refused(
    conn: Connection, stop: str, said: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        ask(conn, stop, run=said)
    assert raised.value.field == "run.stopper"


def test_outside_a_sweep_it_is_refused(conn: Connection) -> None:
    spec = PolicySpec.model_validate(parse(HALVING))
    with pytest.raises(InvalidInput, match="a single run would wait for ever") as raised:
        submit(conn, stopper=spec)
    assert "keepbest sweep" in str(raised.value.hint)
    submit(conn, stopper=parse("shadow(successive_halving(100)) | patience(3)"))  # it only says so
    with pytest.raises(InvalidInput, match="a single run"):
        rules.set_rules(conn, "default", RulesRequest(stopper=spec), user="ada", now=NOW)


def test_only_a_paused_run_names_a_rung() -> None:
    assert Release(outcome="paused").rung is None  # paused by a person
    with pytest.raises(ValueError, match="only a paused run has a rung"):
        Release.model_validate({"outcome": "finished", "rung": 1})
