"""The scheduler: one process a database, whose jobs do what they say and survive what goes wrong."""

from __future__ import annotations

import logging
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepbest.contract.access import UserRequest
from keepbest.errors import Busy
from keepbest.status import Role
from tests.support.processes import Process, Processes, wait_until
from tests.support.store import NOW, claim, hello, later, submit
from tracker import db
from tracker.db import Connection, Engine
from tracker.scheduler import jobs, scheduler
from tracker.scheduler.jobs import PeriodicJob
from tracker.scheduler.scheduler import Scheduler, check, write_heartbeat
from tracker.settings import TrackerSettings
from tracker.store import events, runs
from tracker.store.access import users
from tracker.store.locks import SchedulerLock


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> TrackerSettings:
    return TrackerSettings(dir=tmp_path, database_url=database_url)


def state_of(engine: Engine, run: str) -> str:
    with db.read(engine) as conn:
        return str(runs.get_run(conn, run).state)


def test_the_jobs_take_back_forget_prune_and_expire(settings: TrackerSettings, engine: Engine) -> None:
    with db.write(engine) as conn:
        run = submit(conn).id
        claim(conn)
        users.create_user(conn, UserRequest(name="ada"), NOW)
        pk = users.find_user_pk(conn, "ada")
        assert pk is not None
        users.make_link(conn, pk, Role.MEMBER, now=NOW, lasts=timedelta(minutes=15))
    assert run in jobs.expire_leases(settings, engine, later(31))
    assert state_of(engine, run) == "queued"
    assert jobs.mark_silent_workers(settings, engine, later(299)) == ""
    assert jobs.mark_silent_workers(settings, engine, later(301)).startswith("gone: ")
    assert jobs.expire_credentials(settings, engine, later(899)) == ""
    assert jobs.expire_credentials(settings, engine, later(901)) == "deleted 1 credentials"
    assert jobs.prune_events(settings, engine, later(3600)) == ""
    assert jobs.prune_events(settings, engine, later(86_400 * 20)).startswith("pruned ")
    assert jobs.compact_metrics(settings, engine, later(3600)) == ""


def test_every_job_runs_on_an_empty_database(settings: TrackerSettings, engine: Engine) -> None:
    assert {job.run(settings, engine, NOW) for job in jobs.list_jobs(settings)} == {""}


def test_only_one_gets_its_turn_until_it_lets_go(engine: Engine, database_url: str) -> None:
    other = db.make_engine(database_url)
    first, second = SchedulerLock(engine), SchedulerLock(other)
    assert (first.take(), second.take(), first.is_kept(), second.is_kept()) == (True, False, True, False)
    first.release()
    assert second.take()
    second.release()
    other.dispose()


def test_a_job_that_fails_does_not_end_the_scheduler(
    settings: TrackerSettings, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def burst(*_: object) -> str:
        raise ZeroDivisionError

    def wait(*_: object) -> str:
        raise Busy

    caplog.set_level(logging.INFO)
    for job in (PeriodicJob(burst, 1.0), PeriodicJob(wait, 1.0)):
        Scheduler(settings, engine)._run(job)
    assert "burst failed" in caplog.text
    assert "wait: The tracker has no capacity" in caplog.text


def test_the_health_check_asks_for_a_fresh_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = TrackerSettings(dir=tmp_path)
    assert check(settings) == 1
    write_heartbeat(settings)
    assert check(settings) == 0
    moment = time.time() + scheduler.STALE + 1
    monkeypatch.setattr(time, "time", lambda: moment)
    assert check(settings) == 1


def test_after_a_start_leases_have_their_time_before_one_ends(settings: TrackerSettings) -> None:
    """The tracker was away: trainings that went on meanwhile must not be taken back before they can renew."""
    (job,) = [job for job in jobs.list_jobs(settings) if job.run is jobs.expire_leases]
    assert job.first_after_seconds == settings.lease_seconds


def test_what_deletes_by_age_waits_where_the_clock_jumped(
    settings: TrackerSettings, engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def prune(*_: object) -> str:
        done.append("prunes")
        return ""

    def look(*_: object) -> str:
        done.append("looks")
        return ""

    prunes, looks = PeriodicJob(prune, 1.0, deletes=True), PeriodicJob(look, 1.0)
    one = Scheduler(settings, engine)
    one._run(prunes)
    monkeypatch.setattr(scheduler, "_now", lambda: datetime.now(UTC) + timedelta(days=30))
    for _ in range(3):
        one._run(prunes)
        one._run(looks)
    assert done == ["prunes", "looks", "looks", "looks"]
    assert caplog.text.count("nothing is deleted by age") == 1
    assert {job.name for job in jobs.list_jobs(settings) if job.deletes} == {
        "collect_checkpoints",
        "expire_credentials",
        "prune_events",
        "forget_workers",
    }


def test_a_failure_is_told_once_and_its_end_too(
    settings: TrackerSettings, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    is_away = [True]

    def ask(*_: object) -> str:
        if is_away[0]:
            raise Busy("Nobody answers.")
        return ""

    one = Scheduler(settings, engine)
    for _ in range(3):
        one._run(PeriodicJob(ask, 1.0))
    is_away[0] = False
    for _ in range(2):
        one._run(PeriodicJob(ask, 1.0))
    assert caplog.text.count("Nobody answers.") == 1
    assert caplog.text.count("works again") == 1


def start(processes: Processes, settings: TrackerSettings) -> Process:
    return processes.python(
        "tracker.scheduler",
        KEEPBEST_DIR=str(settings.dir),
        KEEPBEST_DATABASE_URL=settings.database_url,
        KEEPBEST_EXPIRE_EVERY_SECONDS="0.1",
        KEEPBEST_LEASE_SECONDS="0.5",
    )


def test_a_second_scheduler_takes_over_when_the_first_is_killed(
    processes: Processes, settings: TrackerSettings, engine: Engine
) -> None:
    first = start(processes, settings)
    first.wait_for_output("this process is the scheduler now")
    second = start(processes, settings)
    second.wait_for_output("another scheduler works")
    first.kill_group()
    second.wait_for_output("this process is the scheduler now")
    run = overdue_run(engine)
    wait_until(lambda: state_of(engine, run) == "queued", what="the lease's end")
    second.send(signal.SIGTERM)
    assert second.wait() == 0


def overdue_run(engine: Engine) -> str:
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    with db.write(engine) as conn:
        run = str(submit(conn).id)
        claim(conn, hello(conn, now=long_ago), now=long_ago)
    return run


def test_a_turn_ends_with_its_connection(postgres_url: str) -> None:
    engine = db.make_engine(postgres_url)
    turn = SchedulerLock(engine)
    assert turn.take()
    with db.write(engine) as conn:
        end_connections(conn)
    assert not turn.is_kept()
    turn.release()
    engine.dispose()


def test_a_scheduler_survives_a_restart_of_its_database(
    processes: Processes, postgres_url: str, tmp_path: Path
) -> None:
    """Its connections are ended, as a restart ends them: it takes its turn again, and its jobs go on."""
    process = start(processes, TrackerSettings(dir=tmp_path, database_url=postgres_url))
    process.wait_for_output("this process is the scheduler now")
    engine = db.make_engine(postgres_url)
    with db.write(engine) as conn:
        end_connections(conn)
    wait_until(lambda: process.output.count("this process is the scheduler now") == 2, what="its next turn")
    run = overdue_run(engine)
    wait_until(lambda: state_of(engine, run) == "queued", what="the lease's end")
    engine.dispose()
    process.send(signal.SIGTERM)
    assert process.wait() == 0
    assert process.output.count("the database ended this scheduler's turn") == 1


def end_connections(conn: Connection) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    conn.exec_driver_sql(f"{others} AND datname = current_database()")


def test_an_old_schema_stops_the_start(processes: Processes, empty_database_url: str, tmp_path: Path) -> None:
    process = start(processes, TrackerSettings(dir=tmp_path, database_url=empty_database_url))
    assert process.wait() == 1
    assert db.UPGRADE_COMMAND in process.output


def test_nothing_is_told_twice(engine: Engine, settings: TrackerSettings) -> None:
    overdue_run(engine)
    with db.read(engine) as conn:
        before = events.max_seq(conn)
    jobs.expire_leases(settings, engine, datetime.now(UTC))
    jobs.expire_leases(settings, engine, datetime.now(UTC))
    with db.read(engine) as conn:
        told = [event.kind for event in events.read_events(conn, before, events.max_seq(conn), limit=10)]
    assert told.count("run.state") == 1
