"""The periodic jobs. Each is a function of settings, an engine and the time, and returns in words what it did.

A job may be killed at any moment: its next run finds what it did not finish.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from keepbest.errors import Conflict, NotFound
from tracker import db
from tracker.db import Engine
from tracker.services.gc import collect_garbage
from tracker.services.sweeps import top_up
from tracker.settings import TrackerSettings
from tracker.store import events, leases, rule_enforcement, rules, workers
from tracker.store.access import makers
from tracker.store.metrics import compaction
from tracker.store.sweeps import due

Run = Callable[[TrackerSettings, Engine, datetime], str]

#: Metrics that one run of the job compacts, and the seconds after which it leaves the rest to the next run.
GROUPS = 1000
COMPACT_SECONDS = 20.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class PeriodicJob:
    """A job: its function, the seconds between two calls, and the seconds from the start to the first call."""

    run: Run
    every_seconds: float
    first_after_seconds: float = 0.0
    #: Whether it deletes by age: then it waits while the clock is not to be trusted.
    deletes: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__


def expire_leases(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """End the leases that nobody renewed in time, and queue their runs again."""
    with db.write(engine) as conn:
        leases.shorten_leases(conn, seconds=settings.lease_seconds, now=now)
        names = leases.expire_leases(conn, now)
    return f"took back {', '.join(names)}" if names else ""


def mark_silent_workers(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Mark the workers as gone that have been silent for `gone_seconds`."""
    with db.write(engine) as conn:
        gone = workers.mark_gone(conn, gone_seconds=settings.gone_seconds, now=now)
    return f"gone: {', '.join(gone)}" if gone else ""


def forget_workers(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Forget the workers that have been gone for `forget_days`."""
    with db.write(engine) as conn:
        count = workers.forget_workers(conn, forget_days=settings.forget_days, now=now)
    return f"forgot {count} workers" if count else ""


def compact_metrics(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Compress the metrics that have many raw chunks, one after another, for at most `COMPACT_SECONDS`."""
    until = time.monotonic() + COMPACT_SECONDS
    with db.read(engine) as conn:
        groups = compaction.find_due(conn, now, limit=GROUPS)
    done = 0
    for group in groups:
        if time.monotonic() > until:
            break
        done += _compact(engine, group)
    return f"compacted {done} of {len(groups)} metrics" if groups else ""


def apply_rules(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Stop the runs that break a rule of their project, each in a transaction of its own."""
    with db.read(engine) as conn:
        breaches, judged = rule_enforcement.find_due(conn, now)
    if judged:
        with db.write(engine) as conn:
            for run in judged:
                rules.note_ruling(conn, run.pk, run.validations)
    for breach in breaches:
        with suppress(Conflict, NotFound), db.write(engine) as conn:  # the run has ended meanwhile
            rule_enforcement.stop(conn, breach, now)
    return "; ".join(f"{run.id}: {rule_stop.message}" for run, rule_stop in breaches)


def top_up_sweeps(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Make the next runs of each sweep that has room for some, and end the sweeps that have none left to make."""
    with db.read(engine) as conn:
        sweeps = due.list_due(conn)
    return "; ".join(message for message in (top_up(engine, sweep, now) for sweep in sweeps) if message)


def prune_events(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Delete the events that are older than `event_days`."""
    with db.write(engine) as conn:
        count = events.prune(conn, now - timedelta(days=settings.event_days))
    return f"pruned {count} events" if count else ""


def collect_checkpoints(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Drop the checkpoints that retention does not keep, and free the files that nothing needs."""
    done = collect_garbage(settings, engine, now)
    trashed = f"{len(done.trashed)} checkpoints to the trash, {len(done.emptied)} out of it"
    if done.trashed_artifacts or done.emptied_artifacts:
        trashed += f", {len(done.trashed_artifacts)} artifacts to it, {len(done.emptied_artifacts)} out of it"
    is_news = done.trashed or done.trashed_artifacts or done.freed_bytes
    message = f"{trashed}, {done.freed_bytes:,} bytes freed" if is_news else ""
    return message + (f" damaged: {len(done.damaged)} manifests; run keepbest fsck" if done.damaged else "")


def expire_credentials(settings: TrackerSettings, engine: Engine, now: datetime) -> str:
    """Delete the sign-in links, sessions and tokens that have expired or were revoked."""
    with db.write(engine) as conn:
        count = makers.remove_dead(conn, now)
    return f"deleted {count} credentials" if count else ""


def list_jobs(settings: TrackerSettings) -> list[PeriodicJob]:
    """Return every job with how often it runs."""
    return [
        # After a start each trainer gets the time to renew its lease: the tracker was away, not the trainer.
        PeriodicJob(expire_leases, settings.expire_every_seconds, settings.lease_seconds),
        PeriodicJob(mark_silent_workers, 10.0),
        PeriodicJob(apply_rules, 2.0),
        PeriodicJob(top_up_sweeps, 1.0),
        PeriodicJob(compact_metrics, settings.compact_every_seconds),
        PeriodicJob(collect_checkpoints, settings.collect_every_seconds, settings.collect_every_seconds, deletes=True),
        PeriodicJob(expire_credentials, 60.0, deletes=True),
        PeriodicJob(prune_events, HOUR, deletes=True),
        PeriodicJob(forget_workers, HOUR, deletes=True),
    ]


def _compact(engine: Engine, group: compaction.Group) -> bool:
    with db.read(engine) as conn:
        rows = compaction.read_group(conn, group)
    packed = compaction.pack(rows)
    try:
        with db.write(engine) as conn:
            compaction.replace(conn, group, rows, packed)
    except Conflict:
        return False
    return True
