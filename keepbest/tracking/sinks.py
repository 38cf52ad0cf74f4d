"""Where a run's records go: to its uploader while the run lives, nowhere in mode "disabled", to a warning after it."""

from __future__ import annotations

import logging
from typing import Any, Protocol

_log = logging.getLogger("keepbest")


class RecordSink(Protocol):
    """Takes a run's records: points as tuples, all else as records of the contract. Safe from any thread."""

    def put(self, item: Any) -> None: ...


class NoSink:
    """For a run that is not recorded."""

    def put(self, item: Any) -> None:
        """Drop the item."""


class EndedSink:
    """For a run that has ended: warns at the first item, and drops all."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._has_warned = False

    def put(self, item: Any) -> None:
        """Drop the item, with one warning."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning("keepbest: run %s has ended; later records of it are not kept.", self._run)
