"""Retention of a run in training: the process that holds the run removes its superseded checkpoints.

The trainer decides by itself, since it must not fill a disk while the tracker is away, and it knows enough: its own
values, the pins, which lie in the store, and what the tracker last called the best, which stays. So a trainer that
lost its lease without hearing of it, and found something better since, cannot take the tracker's best away.
Here nothing goes through the trash: bests may come every few seconds, and a day of them would fill the disk.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.store import Store
from keepbest.checkpoint.upkeep.retention import Mode, decide, find_eligible
from keepbest.contract.base import CheckpointKind
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import KeepbestError, NotFound, NotTheStore
from keepbest.selection.selectors import Best, Selector

#: Somebody else is writing to the store: that takes about so long.
SETTLE_PAUSE_SECONDS = 0.05

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class _Line:
    """What retention asks of a checkpoint; a whole manifest is large."""

    id: str
    step: int
    value: float | None
    n: int | None
    kind: CheckpointKind
    at: datetime


class CheckpointPruner:
    """Knows the checkpoints of a run and drops those that its retention does not keep."""

    def __init__(self, store: Store, run: str, spec: RetentionSpec, selector: Selector | None = None) -> None:
        self.spec = spec
        self._selector = selector or Best()
        self._store = store
        self._run = run
        self._mode: Mode | None = None
        self._lines: dict[str, _Line] = {}
        self._left: list[str] = []
        for manifest in store.manifests(run):
            self._note(manifest)

    def take(
        self, newer: Manifest, needed: Mapping[str, str], tell: Callable[[list[str]], bool] = lambda ids: True
    ) -> list[str]:
        """Take note of a checkpoint that is on disk now; return the ids of those that were dropped for it.

        `tell` hears which will go, and says whether that is written down: only then they do, so that nothing is
        missing of which nobody knows why. What cannot be dropped just now is tried again with the next one.
        """
        self._note(newer)
        pinned = self._store.folder.pins(self._run)
        needed = find_eligible(self._lines.values(), self._selector, self._mode) | dict(needed)
        verdicts = decide(self._lines.values(), self.spec, mode=self._mode, pinned=pinned, needed=needed)
        self._left = [verdict.id for verdict in verdicts if not verdict.stays]
        return self._remove() if self._left and tell(self._left) else []

    def settle(self, is_told: Callable[[], bool], seconds: float) -> None:
        """Drop what could not be dropped yet, trying for so long: no other checkpoint will come."""
        until = time.monotonic() + seconds
        while self._left and is_told() and time.monotonic() < until:
            self._remove()
            time.sleep(SETTLE_PAUSE_SECONDS if self._left else 0)

    def _remove(self) -> list[str]:
        tried = {id: self._drop(id) for id in self._left}
        gone = [id for id, outcome in tried.items() if outcome == "gone"]
        self._left = [id for id, outcome in tried.items() if outcome == "busy"]
        for id in gone:
            del self._lines[id]
        return gone

    def describe(self) -> str:
        each = f" and one each {self.spec.every_steps} steps" if self.spec.every_steps else ""
        return f"the best {self.spec.best}, the last {self.spec.last}{each}"

    def _note(self, manifest: Manifest) -> None:
        self._mode = manifest.mode or self._mode
        self._lines[manifest.id] = _Line(
            manifest.id, manifest.step, manifest.value, manifest.n, manifest.kind, manifest.at
        )

    def _drop(self, id: str) -> Literal["gone", "busy", "failed"]:
        try:
            self._store.folder.identity.check()
            if id not in self._store.checkpoints(self._run):
                return "gone"  # somebody took it out
            return "gone" if self._store.drop(self._run, id) else "busy"
        except NotTheStore:
            return "busy"  # it is away, with all that lies in it
        except NotFound:
            return "gone"  # just now
        except KeepbestError as error:
            _log.warning("Checkpoint %s was not removed: %s", id, error.message)
            return "failed"
