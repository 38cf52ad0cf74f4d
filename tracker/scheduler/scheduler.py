"""The scheduler: the one process of a database that runs the periodic jobs (`python -m tracker.scheduler`).

A second scheduler waits until the first has ended. `python -m tracker.scheduler check` is for health checks: it reads
the age of the heartbeat that the scheduler writes to <dir>/scheduler-heartbeat.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from keepbest.errors import KeepbestError
from keepbest.figures import figure
from tracker import db, last_words
from tracker.clocks import Trust
from tracker.db import Engine
from tracker.scheduler.jobs import PeriodicJob, list_jobs
from tracker.settings import TrackerSettings
from tracker.store.locks import SchedulerLock

log = logging.getLogger("tracker.scheduler")

#: Seconds between heartbeats, and seconds after which the last one is too old.
BEAT = 5.0
STALE = 60.0
#: Seconds between two attempts of a waiting scheduler to get its turn.
WAIT = 2.0
#: Seconds after which a sleeping scheduler notices that it was stopped.
TICK = 0.1


class Scheduler:
    """Waits for its turn and runs the jobs. When a restart of the database ends its turn, it waits again."""

    def __init__(self, settings: TrackerSettings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._turn = SchedulerLock(engine)
        self._stopping = False
        self._lost = False
        self._failing: set[str] = set()
        self._trust = Trust(read_heartbeat(settings), _now(), time.monotonic)

    def run(self) -> int:
        """Run until it is stopped; return the exit status."""
        while self._wait_for_turn():
            self._lost = False
            self._work()
            self._turn.release()
        return 0

    def _work(self) -> None:
        """Run the jobs until `stop` is called or the turn is lost."""
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )
        for job in list_jobs(self._settings):
            first = _now() + timedelta(seconds=job.first_after_seconds)
            every = {"id": job.name, "seconds": job.every_seconds, "next_run_time": first}
            scheduler.add_job(self._run, "interval", args=[job], **every)
        scheduler.add_job(self._beat, "interval", seconds=BEAT, next_run_time=_now())
        log.info("this process is the scheduler now")
        scheduler.start()
        self._sleep_until_stopped(float("inf"))
        scheduler.shutdown()

    def stop(self) -> None:
        """End once the running jobs have ended.

        This only sets a flag, because signal handlers call it: a handler that takes a lock (an event's, the thread
        pool's) would wait for ever for the thread that it interrupted.
        """
        self._stopping = True

    def _sleep_until_stopped(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not (self._stopping or self._lost) and time.monotonic() < until:
            time.sleep(TICK)

    def _wait_for_turn(self) -> bool:
        self._lost, logged = False, ""
        while not self._stopping:
            try:
                if self._turn.take():
                    return True
                why = "another scheduler works on this database; waiting for it to end"
            except KeepbestError as error:
                why = f"{error.message} Waiting for it."
            if why != logged:
                log.info("%s", why)
                logged = why
            write_heartbeat(self._settings)
            self._sleep_until_stopped(WAIT)
        return False

    def _run(self, job: PeriodicJob) -> None:
        """Run one job. Log its first failure, and its first success after that: some jobs run each second."""
        now = _now()
        if not self._trust.allows_deleting(now) and job.deletes:
            self._warn(job, "the clock jumped, or no scheduler ran for long: nothing is deleted by age for now.")
            return
        try:
            message = job.run(self._settings, self._engine, now)
        except KeepbestError as error:
            self._warn(job, f"{error.message} The job runs again each {figure(job.every_seconds)} s.")
        except Exception:
            if job.name not in self._failing:
                log.exception("%s failed", job.name)
            self._failing.add(job.name)
        else:
            if job.name in self._failing:
                self._failing.discard(job.name)
                log.info("%s works again", job.name)
            if message:
                log.info("%s: %s", job.name, message)

    def _warn(self, job: PeriodicJob, why: str) -> None:
        if job.name not in self._failing:
            log.warning("%s: %s", job.name, why)
        self._failing.add(job.name)

    def _beat(self) -> None:
        """Write the heartbeat; stop the jobs when another scheduler may have taken over."""
        write_heartbeat(self._settings)
        if not self._turn.is_kept():
            log.warning("the database ended this scheduler's turn; waiting for the next")
            self._lost = True


def write_heartbeat(settings: TrackerSettings) -> None:
    """Write the time of this heartbeat. A folder that cannot be written only makes the health check fail."""
    try:
        _heartbeat(settings).write_text(str(time.time()))
    except OSError as error:
        log.warning("no heartbeat: %s", error)


def read_heartbeat(settings: TrackerSettings) -> datetime | None:
    """Return the time of the last heartbeat in this folder, by the clock of the scheduler that wrote it."""
    try:
        return datetime.fromtimestamp(float(_heartbeat(settings).read_text()), UTC)
    except (OSError, ValueError, OverflowError):
        return None


def check(settings: TrackerSettings) -> int:
    """Return the exit status for a health check."""
    last = read_heartbeat(settings)
    if last is not None and time.time() - last.timestamp() < STALE:
        return 0
    sys.stderr.write("The scheduler's last heartbeat is too old.\nStart it: python -m tracker.scheduler\n")
    return 1


def _heartbeat(settings: TrackerSettings) -> Path:
    return settings.dir / "scheduler-heartbeat"


def _now() -> datetime:
    return datetime.now(UTC)


def serve(settings: TrackerSettings) -> int:
    """Run the scheduler until SIGTERM or SIGINT."""
    engine = db.make_engine(settings.database_url, connections=8, busy_seconds=settings.busy_seconds)
    db.check_schema(engine)
    scheduler = Scheduler(settings, engine)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduler.stop())
    return scheduler.run()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tracker.scheduler", description="Run the tracker's periodic jobs.")
    parser.add_argument("verb", nargs="?", choices=["run", "check"], default="run")
    verb = parser.parse_args(arguments).verb
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    return last_words.call("The scheduler", lambda: (check if verb == "check" else serve)(TrackerSettings.load()))
