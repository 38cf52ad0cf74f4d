"""Renews the lease of a run that a user's own script trains; a worker's agent renews those of its trainers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Protocol

from keepbest.contract.workers import Lease, Renewal
from keepbest.errors import KeepbestError
from keepbest.journal.delivery import is_passing

_log = logging.getLogger("keepbest")


class LeaseClient(Protocol):
    """The part of `keepbest.client.client.Client` that renews a lease."""

    def renew(self, run: str, lease: str) -> Renewal: ...


class Renewer:
    """Renews one lease in a thread, three times within its duration, until stopped or the lease is lost."""

    def __init__(self, client: LeaseClient, run: str, lease: Lease, on_lost: Callable[[KeepbestError], None]) -> None:
        self._client = client
        self._run = run
        self._token = lease.token
        self._every_seconds = lease.lease_seconds / 3
        self._on_lost = on_lost
        self._stopped = Event()
        self._thread = Thread(target=self._work, name=f"keepbest-lease-{run}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing; returns at once, even while a request hangs."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            try:
                self._client.renew(self._run, self._token)
            except KeepbestError as error:
                if is_passing(error):
                    continue  # the uploader warns that the tracker does not answer
                if not self._stopped.is_set():
                    self._on_lost(error)
                return


@contextmanager
def renewed(client: LeaseClient, run: str, lease: Lease) -> Iterator[None]:
    """Keep a lease while the block runs. If the lease is lost, the next write raises."""
    renewer = Renewer(client, run, lease, lambda error: None)
    renewer.start()
    try:
        yield
    finally:
        renewer.stop()
