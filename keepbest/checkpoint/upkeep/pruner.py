"""Retention of a run in training: the trainer removes the run's superseded checkpoints.

The trainer decides without the tracker, so that the disk does not fill up while the tracker is away. It knows its own
values, the pins, which lie in the store, and the tracker's last best, which stays. So a trainer that has lost its lease
without knowing cannot remove the tracker's best. Checkpoints do not go through the trash here: bests may come every few
seconds, and a day of them would fill the disk.
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

#: The pause before the next try while another process writes to the store.
SETTLE_PAUSE_SECONDS = 0.05

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class _Line:
    """The fields of a manifest that retention needs; a whole manifest is large."""

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
        """Take note of a new durable checkpoint; return the ids of the checkpoints that this dropped for it.

        `tell` gets the ids that will go, and returns True once they are recorded. The pruner deletes files only then,
        so that every missing checkpoint has a recorded reason. One that cannot be dropped now goes with the next call.
        """
        self._note(newer)
        pinned = self._store.folder.pins(self._run)
        needed = find_eligible(self._lines.values(), self._selector, self._mode) | dict(needed)
        verdicts = decide(self._lines.values(), self.spec, mode=self._mode, pinned=pinned, needed=needed)
        self._left = [verdict.id for verdict in verdicts if not verdict.stays]
        return self._remove() if self._left and tell(self._left) else []

    def settle(self, is_told: Callable[[], bool], seconds: float) -> None:
        """Try for `seconds` to drop the checkpoints that are left: the run writes no more, so no other call comes."""
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
                return "gone"  # another process removed it
            return "gone" if self._store.drop(self._run, id) else "busy"
        except NotTheStore:
            return "busy"  # the store is away
        except NotFound:
            return "gone"  # another process has just removed it
        except KeepbestError as error:
            _log.warning("Checkpoint %s of run %s was not removed: %s", id, self._run, error.message)
            return "failed"
