"""The scheduler: the one process a database that runs the periodic jobs (`python -m tracker.scheduler`).

A second one waits until the first is gone. `python -m tracker.scheduler check` is for health checks: it asks whether
the scheduler of this folder wrote down its heartbeat (<dir>/scheduler-heartbeat) of late.
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
from tracker import db
from tracker.db import Engine
from tracker.jobs import Job, list_jobs
from tracker.settings import Settings
from tracker.store.locks import OnlyOne

log = logging.getLogger("tracker.scheduler")

#: Seconds between heartbeats, and how old one may be.
BEAT = 5.0
STALE = 60.0
#: Seconds after which a scheduler that waits for its turn asks again.
WAIT = 2.0
#: Seconds after which a sleeping scheduler notices that it was stopped.
TICK = 0.1


class Scheduler:
    """Waits for its turn, then runs the jobs until it is stopped or the database takes the turn away."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine
        self._turn = OnlyOne(engine)
        self._stopping = False
        self._lost = False
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)},
            job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None},
            timezone=UTC,
        )

    def run(self) -> int:
        """Return the exit status: 0 when it was stopped, 1 when it lost its turn."""
        if self._wait_for_turn():
            for job in list_jobs(self._settings):
                self._add(job)
            self._scheduler.add_job(self._beat, "interval", seconds=BEAT, next_run_time=_now())
            log.info("this is the scheduler now")
            self._scheduler.start()
            self._sleep_until_stopped(float("inf"))
            self._scheduler.shutdown()
        self._turn.release()
        return int(self._lost)

    def stop(self) -> None:
        """End after the jobs that are running. Only a flag, because signal handlers call it.

        A handler that takes a lock (an event's, the thread pool's) waits for ever for the thread that it interrupts.
        """
        self._stopping = True

    def _sleep_until_stopped(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(TICK)

    def _wait_for_turn(self) -> bool:
        told = False
        while not self._stopping:
            if self._turn.take():
                return True
            if not told:
                log.info("another scheduler works on this database; waiting for it to end")
                told = True
            write_heartbeat(self._settings)
            self._sleep_until_stopped(WAIT)
        return False

    def _add(self, job: Job) -> None:
        first = _now() + timedelta(seconds=job.first_after_seconds)
        self._scheduler.add_job(
            self._run, "interval", args=[job], id=job.name, seconds=job.every_seconds, next_run_time=first
        )

    def _run(self, job: Job) -> None:
        try:
            said = job.run(self._settings, self._engine, _now())
        except KeepbestError as error:
            log.warning("%s: %s It is tried again in %g s.", job.name, error.message, job.every_seconds)
        except Exception:
            log.exception("%s failed", job.name)
        else:
            if said:
                log.info("%s: %s", job.name, said)

    def _beat(self) -> None:
        """Show that this one lives; end when another one may have taken over."""
        write_heartbeat(self._settings)
        if not self._turn.is_kept():
            log.error("the database ended this scheduler's turn")
            self._lost = True
            self.stop()


def write_heartbeat(settings: Settings) -> None:
    """Write down that this scheduler lives; a folder that cannot be written only makes the health check fail."""
    try:
        _heartbeat(settings).write_text(str(time.time()))
    except OSError as error:
        log.warning("no heartbeat: %s", error)


def check(settings: Settings) -> int:
    """Return the exit status for a health check."""
    try:
        age = time.time() - float(_heartbeat(settings).read_text())
    except (OSError, ValueError):
        age = float("inf")
    if age < STALE:
        return 0
    sys.stderr.write("The scheduler's last heartbeat is too old.\nStart it: python -m tracker.scheduler\n")
    return 1


def _heartbeat(settings: Settings) -> Path:
    return settings.dir / "scheduler-heartbeat"


def _now() -> datetime:
    return datetime.now(UTC)


def serve(settings: Settings) -> int:
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
    try:
        settings = Settings.load()
        return check(settings) if verb == "check" else serve(settings)
    except KeepbestError as error:
        sys.stderr.write(f"{error.message}\n{error.hint or ''}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
