"""Many at once: eight claim eighty runs, and each run goes to exactly one."""

from __future__ import annotations

import collections
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from keepbest.contract.workers import Claim
from keepbest.errors import Conflict
from tests.support.processes import Processes
from tests.support.store import NOW, WORKER, a_request, claim, hello, release, submit
from tracker import db
from tracker.models import AuditEntryTable, LeaseTable, RunTable
from tracker.store import claims, leases, runs, submissions

CLAIMERS = 8
PROCESSES = 4
RUNS = 80

#: A worker in a process of its own: claims until nothing is left, prints what it got.
CLAIMER = """
import sys
from datetime import UTC, datetime
from keepbest.contract.workers import Claim
from tests.support.store import WORKER
from tracker import db
from tracker.store import claims

engine = db.make_engine(sys.argv[1], busy_seconds=60)
while True:
    with db.write(engine) as conn:
        found = claims.claim(conn, Claim(worker=sys.argv[2]), by=WORKER, seconds=30, now=datetime.now(UTC))
    if found is None:
        break
    print(found.run.id)
print("nothing left")
"""


@pytest.fixture
def workers(engine: Engine) -> list[str]:
    """Workers with room for everything, and the runs they will fight for."""
    with db.write(engine) as conn:
        known = [hello(conn, name=f"worker {number}", slots=1000) for number in range(CLAIMERS)]
        for _ in range(RUNS):
            submit(conn)
    return known


def test_processes_claim_each_run_exactly_once(
    engine: Engine, database_url: str, workers: list[str], processes: Processes
) -> None:
    started = [processes.start(sys.executable, "-c", CLAIMER, database_url, worker) for worker in workers[:PROCESSES]]
    claimed: list[str] = []
    for process in started:
        assert process.wait() == 0, process.output
        claimed += process.output.split("nothing left")[0].split()
    check_each_once(engine, claimed)


def test_threads_claim_each_run_exactly_once(engine: Engine, workers: list[str]) -> None:
    with ThreadPoolExecutor(CLAIMERS) as pool:
        claimed = [id for ids in pool.map(lambda worker: claim_all(engine, worker), workers) for id in ids]
    check_each_once(engine, claimed)


def claim_all(engine: Engine, worker: str) -> list[str]:
    got: list[str] = []
    while True:
        with db.write(engine) as conn:
            found = claims.claim(conn, Claim(worker=worker), by=WORKER, seconds=30, now=NOW)
        if found is None:
            return got
        got.append(found.run.id)


def check_each_once(engine: Engine, claimed: list[str]) -> None:
    doubled = [id for id, count in collections.Counter(claimed).items() if count > 1]
    assert not doubled
    assert len(claimed) == RUNS
    with db.read(engine) as conn:
        granted = conn.execute(select(LeaseTable.run_pk, func.count()).group_by(LeaseTable.run_pk)).all()
        states = conn.execute(select(RunTable.state, func.count()).group_by(RunTable.state)).all()
    assert [tuple(row) for row in states] == [("leased", RUNS)]
    assert {count for _, count in granted} == {1}


def test_two_requests_of_one_worker_never_exceed_its_slots(engine: Engine) -> None:
    with db.write(engine) as conn:
        worker = hello(conn, slots=3)
        for _ in range(20):
            submit(conn)
    with ThreadPoolExecutor(CLAIMERS) as pool:
        claimed = list(pool.map(lambda _: len(claim_all(engine, worker)), range(CLAIMERS)))
    assert sum(claimed) == 3


def test_one_key_sent_by_many_at_once_makes_one_run(engine: Engine) -> None:
    with db.write(engine) as conn:
        hello(conn)
    together = threading.Barrier(CLAIMERS)

    def send(project: str) -> str:
        together.wait()
        with db.write(engine) as conn:
            asked = a_request(project=project)
            return str(submissions.submit(conn, asked, user="ada", key="k", now=NOW).id)

    with ThreadPoolExecutor(CLAIMERS) as pool:
        ids = set(pool.map(send, ["new project"] * CLAIMERS))
    assert len(ids) == 1


def test_one_key_for_two_projects_at_once_is_refused_for_one(engine: Engine) -> None:
    with db.write(engine) as conn:
        hello(conn)
    together = threading.Barrier(2)

    def send(project: str) -> str:
        together.wait()
        try:
            with db.write(engine) as conn:
                submissions.submit(conn, a_request(project=project), user="ada", key="k", now=NOW)
        except Conflict:
            return "refused"
        return "made"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(send, ["a", "b"])) == ["made", "refused"]


def test_a_release_and_an_expiry_at_once_end_the_lease_once(engine: Engine) -> None:
    with db.write(engine) as conn:
        submit(conn)
        taken = claim(conn)
    together = threading.Barrier(2)

    def finish() -> None:
        together.wait()
        with db.write(engine) as conn:
            runs.get_run(conn, taken.run.id, lock=True)
            release(conn, taken, "finished")

    def expire() -> None:
        together.wait()
        with db.write(engine) as conn:
            leases.expire_leases(conn, NOW + timedelta(seconds=31))

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(finish), pool.submit(expire)]:
            done.result()
    with db.read(engine) as conn:
        assert runs.get_run(conn, taken.run.id).state == "finished"
        actions = conn.execute(select(AuditEntryTable.action).order_by(AuditEntryTable.seq)).scalars()
        ends = [action for action in actions if action in {"lease.finished", "lease.expired"}]
    assert ends in (["lease.finished"], ["lease.expired", "lease.finished"])
