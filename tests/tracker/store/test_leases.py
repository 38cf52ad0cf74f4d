"""Leases: the token decides, a stale one writes nothing, and every way a training can end."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from keepbest.contract.base import new_id
from keepbest.contract.commands import CancelRequest
from keepbest.contract.workers import Assignment, Claim
from keepbest.errors import Conflict, LeaseLost
from tests.support.store import (
    ADA,
    LEASE_SECONDS,
    NOW,
    WORKER,
    begin,
    claim,
    hello,
    kinds,
    later,
    release,
    submit,
    submit_external,
)
from tracker.models import LeaseTable
from tracker.store import claims, commands, leases, runs, workers
from tracker.store.access.users import digest


def claimed(conn: Connection, **asked: Any) -> Assignment:
    submit(conn, **asked)
    return claim(conn)


def test_only_the_digest_of_a_token_is_stored(conn: Connection) -> None:
    token = claimed(conn).lease.token
    rows = [*conn.execute(select(*LeaseTable.__table__.columns)).all(), runs.get_run(conn, claimed(conn).run.id)]
    assert len(token) >= 40
    assert not any(token in str(row) for row in rows)
    assert digest(token) == rows[0].digest


@pytest.mark.parametrize("token", ["", "x", "🦀", "\ud800", "0" * 10_000])
def test_a_token_that_never_was_the_runs_is_refused(conn: Connection, token: str) -> None:
    run = runs.get_run(conn, claimed(conn).run.id)
    with pytest.raises(LeaseLost, match="never was"):
        leases.judge(conn, run, token, NOW)


def test_another_runs_token_is_refused(conn: Connection) -> None:
    mine, other = claimed(conn), claimed(conn)
    with pytest.raises(LeaseLost):
        leases.renew(conn, runs.get_run(conn, mine.run.id), other.lease.token, seconds=30, now=NOW)


def test_renewing_prolongs_the_lease_and_brings_commands(conn: Connection) -> None:
    taken = claimed(conn)
    run = runs.get_run(conn, taken.run.id)
    commands.request_command(conn, run, CancelRequest(), user="ada", now=NOW)
    renewal = leases.renew(conn, run, taken.lease.token, seconds=LEASE_SECONDS, now=later(20))
    assert renewal.expires_at == later(50)
    assert [command.kind for command in renewal.commands] == ["cancel"]
    assert runs.get_run(conn, run.id).lease_expires_at == later(50)
    assert workers.get_worker(conn, run.worker_id).heard_at == later(20)


def test_a_lease_past_its_time_counts_until_it_is_ended(conn: Connection) -> None:
    taken = claimed(conn)
    run = runs.get_run(conn, taken.run.id)
    assert leases.renew(conn, run, taken.lease.token, seconds=30, now=later(31)).expires_at == later(61)
    assert leases.expire_leases(conn, later(60)) == []
    assert leases.expire_leases(conn, later(62)) == [run.id]


def test_an_expired_run_queues_again_for_the_next_worker(conn: Connection) -> None:
    first = claimed(conn)
    begin(conn, first)
    leases.expire_leases(conn, later(31))
    queued = runs.get_run(conn, first.run.id)
    assert (queued.state, queued.worker_id, queued.worker_name, queued.attempt) == ("queued", None, None, 1)
    second = claim(conn, now=later(32))
    assert (second.run.id, second.attempt, second.run.worker) == (first.run.id, 2, "mill")
    run = runs.get_run(conn, first.run.id)
    with pytest.raises(LeaseLost, match=r"ended \(expired\); the run is leased now"):
        leases.renew(conn, run, first.lease.token, seconds=30, now=later(33))
    with pytest.raises(LeaseLost):
        release(conn, first, "finished", now=later(33))


def test_a_late_worker_gets_its_run_back_if_nobody_took_it(conn: Connection) -> None:
    """The tracker was away longer than a lease lasts: training that goes on must not be thrown away."""
    taken = claimed(conn)
    begin(conn, taken)
    leases.expire_leases(conn, later(31))
    leases.renew(conn, runs.get_run(conn, taken.run.id), taken.lease.token, seconds=30, now=later(40))
    run = runs.get_run(conn, taken.run.id)
    assert (run.state, run.attempt, run.worker_name, run.lease_expires_at) == ("running", 1, "mill", later(70))
    assert conn.execute(select(LeaseTable.ended_at)).scalar() is None
    asked = Claim(worker=hello(conn))
    assert claims.claim(conn, asked, by=WORKER, seconds=30, now=later(41)) is None


def test_a_late_release_is_taken_while_nobody_else_took_the_run(conn: Connection) -> None:
    taken = claimed(conn)
    leases.expire_leases(conn, later(31))
    assert release(conn, taken, "finished", now=later(40)).state == "finished"


def test_a_late_batch_revives_the_lease_only_for_a_moment(conn: Connection) -> None:
    taken = claimed(conn)
    leases.expire_leases(conn, later(31))
    standing = leases.judge(conn, runs.get_run(conn, taken.run.id), taken.lease.token, later(40))
    assert (standing.is_current, standing.run.state) == (True, "leased")
    assert standing.run.lease_expires_at == later(40 + leases.REVIVAL_SECONDS)


def test_a_lease_that_was_given_back_is_not_revived(conn: Connection) -> None:
    taken = claimed(conn)
    release(conn, taken, "handed_back", now=later(5))
    standing = leases.judge(conn, runs.get_run(conn, taken.run.id), taken.lease.token, later(6))
    assert (standing.is_current, standing.ended_at, standing.outcome) == (False, later(5), "handed_back")


OUTCOMES = [
    ("finished", {"stop_reason": "patience"}, "finished", "patience"),
    ("failed", {}, "failed", "error"),
    ("failed", {"stop_reason": "non_finite"}, "failed", "non_finite"),
    ("cancelled", {}, "cancelled", "user"),
    ("handed_back", {}, "queued", None),
    ("crashed", {}, "queued", None),
]


@pytest.mark.parametrize(("outcome", "said", "state", "reason"), OUTCOMES)
def test_every_outcome_has_its_state(
    conn: Connection, outcome: str, said: dict[str, str], state: str, reason: str | None
) -> None:
    taken = claimed(conn)
    run = release(conn, taken, outcome, now=later(9), **said)
    assert (run.state, run.stop_reason) == (state, reason)
    assert (run.lease_digest, run.lease_expires_at) == (None, None)
    assert (run.ended_at is not None) == (state != "queued")
    again = release(conn, taken, outcome, now=later(10), **said)
    assert (again.state, again.updated_at) == (state, later(9))


def test_a_release_carries_test_and_error(conn: Connection) -> None:
    test = {"step": 5, "n": 10, "values": {"accuracy": 0.5}}
    assert release(conn, claimed(conn), "finished", test=test).test["values"] == {"accuracy": 0.5}
    error = {"code": "code_failed", "message": "boom", "traceback": "line 1"}
    failed = release(conn, claimed(conn), "failed", error=error)
    assert (failed.error["message"], failed.stop_message) == ("boom", "boom")


def test_crashes_use_up_the_attempts_and_hand_backs_do_not(conn: Connection) -> None:
    submit(conn, max_attempts=2)
    states = [release(conn, claim(conn), outcome).state for outcome in ("handed_back", "crashed", "handed_back")]
    assert states == ["queued"] * 3
    lost = release(conn, claim(conn), "crashed", stop_message="killed by signal 9")
    assert (lost.state, lost.stop_reason, lost.attempt) == ("failed", "error", 4)
    assert lost.error["message"] == "killed by signal 9"


def test_a_run_whose_workers_all_vanish_fails_as_worker_lost(conn: Connection) -> None:
    run = submit(conn, max_attempts=1)
    claim(conn)
    leases.expire_leases(conn, later(31))
    lost = runs.get_run(conn, run.id)
    assert (lost.state, lost.stop_reason) == ("failed", "worker_lost")
    assert "mill has been silent since 2026-03-01 12:00:00 UTC" in lost.stop_message
    assert "keepbest logs" in lost.error["hint"]


def test_a_cancel_asked_of_a_vanished_worker_is_done_at_expiry(conn: Connection) -> None:
    taken = claimed(conn)
    commands.cancel_run(conn, runs.get_run(conn, taken.run.id), user="ada", now=NOW)
    leases.expire_leases(conn, later(31))
    run = runs.get_run(conn, taken.run.id)
    assert (run.state, run.stop_reason) == ("cancelled", "user")
    assert [command.state for command in commands.list_commands(conn, run.pk)] == ["done"]


def test_an_external_run_fails_when_its_script_is_silent(conn: Connection) -> None:
    run = submit_external(conn)
    taken = claim(conn, run=run.id)
    assert taken.lease.lease_seconds == LEASE_SECONDS * leases.EXTERNAL_PATIENCE
    assert leases.expire_leases(conn, later(119)) == []
    assert leases.expire_leases(conn, later(121)) == [run.id]
    lost = runs.get_run(conn, run.id)
    assert (lost.state, lost.stop_reason) == ("failed", "worker_lost")
    assert kinds(conn, run)[-1] == "run.state"


def test_a_script_that_slept_has_its_run_back(conn: Connection) -> None:
    """Its lease had ended, and with it the run: what it measured since was thrown away, though nobody else has it."""
    taken = claim(conn, run=submit_external(conn).id)
    begin(conn, taken)
    assert leases.expire_leases(conn, later(1000)) == [taken.run.id]
    assert runs.get_run(conn, taken.run.id).stop_reason == "worker_lost"
    run = runs.get_run(conn, taken.run.id)
    leases.renew(conn, run, taken.lease.token, seconds=LEASE_SECONDS, now=later(5000))
    run = runs.get_run(conn, run.id)
    assert (run.state, run.attempt, run.error, run.ended_at) == ("running", 1, None, None)
    # The renewal asked for a worker's time: between two of a script's renewals the lease ran out.
    assert run.lease_expires_at == later(5000 + leases.EXTERNAL_PATIENCE * LEASE_SECONDS)


@pytest.mark.parametrize("outcome", ["finished", "failed", "cancelled", "handed_back", "crashed"])
def test_an_ended_run_goes_on_in_its_own_script(conn: Connection, outcome: str) -> None:
    taken = claim(conn, run=submit_external(conn).id)
    begin(conn, taken)
    release(conn, taken, outcome, now=later(5))
    again = claim(conn, run=taken.run.id, now=later(6))
    assert (again.run.state, again.attempt, again.next_segment, again.run.error) == ("leased", 2, 1, None)
    with pytest.raises(LeaseLost):
        leases.renew(conn, runs.get_run(conn, taken.run.id), taken.lease.token, seconds=30, now=later(7))
    assert runs.get_run(conn, taken.run.id).state == "leased"


def test_a_lost_lease_is_dead_once_a_new_process_has_the_run(conn: Connection) -> None:
    taken = claim(conn, run=submit_external(conn).id)
    leases.expire_leases(conn, later(1000))
    claim(conn, run=taken.run.id, now=later(1001))
    with pytest.raises(LeaseLost):
        leases.renew(conn, runs.get_run(conn, taken.run.id), taken.lease.token, seconds=30, now=later(1002))


def test_a_run_kept_offline_is_heard_at_a_sync_only(conn: Connection) -> None:
    run = submit_external(conn, id="abcdabcdabcd")
    asked = Claim(run=run.id, is_offline=True)
    lost = claims.claim(conn, asked, by=ADA, seconds=LEASE_SECONDS, now=NOW)
    taken = claims.claim(conn, asked, by=ADA, seconds=LEASE_SECONDS, now=NOW)  # the first answer was lost
    assert lost is not None
    assert taken is not None
    assert (taken.run.id, taken.lease.expires_at) == ("abcdabcdabcd", later(leases.OFFLINE_SECONDS))
    with pytest.raises(LeaseLost):
        leases.renew(conn, runs.get_run(conn, run.id), lost.lease.token, seconds=30, now=NOW)
    begin(conn, taken)
    leases.renew(conn, runs.get_run(conn, run.id), taken.lease.token, seconds=LEASE_SECONDS, now=later(60))
    assert leases.expire_leases(conn, later(leases.OFFLINE_SECONDS - 1)) == []
    with pytest.raises(Conflict, match="another script holds it"):
        claims.claim(conn, asked, by=ADA, seconds=LEASE_SECONDS, now=later(61))


def test_an_id_is_one_runs(conn: Connection) -> None:
    submit_external(conn, id="abcdabcdabcd")
    with pytest.raises(Conflict, match="already"):
        submit_external(conn, id="abcdabcdabcd")


def test_a_lease_given_by_a_wrong_clock_is_as_long_as_any(conn: Connection) -> None:
    """The tracker's clock was ten days ahead once: the worker that took the run then may be dead by now."""
    hello(conn, now=NOW)
    submit(conn)
    taken = claim(conn, now=later(10 * 86_400))
    assert leases.expire_leases(conn, later(60)) == []
    assert leases.shorten_leases(conn, seconds=30, now=later(60)) == 1
    assert leases.shorten_leases(conn, seconds=30, now=later(61)) == 0
    renewal = leases.renew(conn, runs.get_run(conn, taken.run.id), taken.lease.token, seconds=30, now=later(70))
    assert renewal.expires_at == later(100)
    assert leases.expire_leases(conn, later(101)) == [taken.run.id]


def test_a_renewal_does_not_keep_what_a_wrong_clock_gave(conn: Connection) -> None:
    submit(conn)
    taken = claim(conn, now=later(10 * 86_400))
    renewal = leases.renew(conn, runs.get_run(conn, taken.run.id), taken.lease.token, seconds=30, now=NOW)
    assert renewal.expires_at == later(30)


def test_a_claim_whose_answer_was_lost_gets_the_same_lease(conn: Connection) -> None:
    worker, others = hello(conn), [submit(conn) for _ in range(2)]
    asked = Claim(worker=worker, request=new_id())
    lost = claims.claim(conn, asked, by=WORKER, seconds=30, now=NOW)
    again = claims.claim(conn, asked, by=WORKER, seconds=30, now=later(5))
    assert lost is not None
    assert again is not None
    assert (again.run.id, again.attempt) == (lost.run.id, lost.attempt)
    assert [runs.get_run(conn, run.id).attempt for run in others] == [1, 0]
    with pytest.raises(LeaseLost):
        leases.renew(conn, runs.get_run(conn, lost.run.id), lost.lease.token, seconds=30, now=later(6))
    leases.renew(conn, runs.get_run(conn, again.run.id), again.lease.token, seconds=30, now=later(6))
    with pytest.raises(Conflict, match="has used it"):  # it comes late, by a slow road
        claims.claim(conn, asked, by=WORKER, seconds=30, now=later(7))
    elsewhere = Claim(worker=hello(conn), request=asked.request)
    taken = claims.claim(conn, elsewhere, by=WORKER, seconds=30, now=later(8))
    assert taken is not None
    assert taken.run.id != again.run.id
