"""Where what a run records goes to: its uploader while it lives, nowhere where nobody hears of it, a warning after."""

from __future__ import annotations

import logging
from typing import Any, Protocol

_log = logging.getLogger("keepbest")


class RecordSink(Protocol):
    """Takes what is recorded: points as tuples, all else as records of the contract. Safe from any thread."""

    def put(self, item: Any) -> None: ...


class NoSink:
    """Of a run that nobody hears of: takes nothing down."""

    def put(self, item: Any) -> None:
        """Forget the item."""


class EndedSink:
    """Of a run that has ended: warns of the first item, and forgets all."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._has_warned = False

    def put(self, item: Any) -> None:
        """Say once that the item is not kept."""
        if not self._has_warned:
            self._has_warned = True
            _log.warning("keepbest: run %s has ended; what is said of it now is not kept.", self._run)
