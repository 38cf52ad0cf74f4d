"""Keeps the lease of a run that a user's own script trains; a worker's agent does this for its trainers itself."""

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
    """As much of `keepbest.client.client.Client` as renewing needs."""

    def renew(self, run: str, lease: str) -> Renewal: ...


class Renewer:
    """Renews one lease at a third of its time, in a thread, until stopped or told that the lease is lost."""

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
        """Renew no more; returns at once, even where a request still hangs."""
        self._stopped.set()

    def _work(self) -> None:
        while not self._stopped.wait(self._every_seconds):
            try:
                self._client.renew(self._run, self._token)
            except KeepbestError as error:
                if is_passing(error):
                    continue  # the uploader says that the tracker is away
                if not self._stopped.is_set():
                    self._on_lost(error)
                return


@contextmanager
def renewed(client: LeaseClient, run: str, lease: Lease) -> Iterator[None]:
    """Keep a lease while the block runs; losing it is what the next write will tell."""
    renewer = Renewer(client, run, lease, lambda error: None)
    renewer.start()
    try:
        yield
    finally:
        renewer.stop()
