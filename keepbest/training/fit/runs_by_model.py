"""Makes the runs of one callback, one for each model that it trains.

A callback may train several models (the folds of a cross-validation, a repeated notebook cell), and a tuner copies it
for each trial. Each model gets a run of its own, so that none ever gets the weights of another.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from keepbest.checkpoint import Store
from keepbest.checkpoint.restore import open_store
from keepbest.contract.base import new_id
from keepbest.contract.batches import Declared
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput
from keepbest.journal.records import fit
from keepbest.panels.examples import Scene, see
from keepbest.panels.panel_worker import Painter
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.carried_state import CarriedState
from keepbest.stopping import Mode, parse
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.reference_examples import References

DEFAULT_MONITOR = "val_loss"
_MODES = ("auto", "min", "max")

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class RunMaker:
    """Makes the runs of one callback. Copies of the callback share it; it never changes.

    Args:
        monitor: The metric to watch; a run's own monitor replaces the default.
        mode: Which way the monitor gets better, if given.
        stopper: The policy in its JSON form, if given.
        store: The store of the checkpoints, or None.
    """

    monitor: str
    mode: Mode | None
    stopper: Mapping[str, Any] | None
    store: Store | None = None
    retention: RetentionSpec | None = None
    snapshots: int = 3
    snapshot_memory: int | str | None = None
    scene: Scene | None = None
    clock: Callable[[], float] = time.monotonic
    max_steps: int | None = None
    references: References | None = None
    #: The run of the first model, if a tracker gets its records.
    reported: str | None = None
    strict: bool = False

    def __deepcopy__(self, memo: Mapping[int, Any]) -> RunMaker:
        return self

    def begin(self, run: Run | str | None) -> tuple[RunMaker, Run]:
        """Return the maker of later runs, and the first run: the given one or a new one.

        The callback's own arguments win over those of `keepbest.init`.
        """
        if not isinstance(run, Run):
            return self, self.make(run)
        monitor = run.monitor if self.monitor == DEFAULT_MONITOR or "monitor" in run.fixed else self.monitor
        known_mode = run.stopper.mode if self.mode is None and monitor == run.monitor else None
        run.monitor = monitor
        if self.stopper is not None and "stopper" not in run.fixed:
            last = run.stopper.max_steps if "max_steps" in run.fixed else None
            run.stopper = Stopper(self.stopper, known_mode, last, clock=self.clock)
        if self.mode is not None:
            run.set_mode(self.mode)
        run.declare(fit(Declared, monitor=monitor, stopper=self.stopper) or Declared())
        retention = self.retention or run.retention
        known = replace(
            self, monitor=monitor, stopper=run.stopper.spec, max_steps=run.stopper.max_steps, retention=retention
        )
        return replace(known, reported=run.id if run.recorder.uploader is not None else None), run

    def make(self, run: str | None = None) -> Run:
        """Return a run without a tracker, with this id or a new one; warn if the first run has a tracker."""
        stopper = Stopper(self.stopper or patient(), self.mode, self.max_steps, clock=self.clock)
        made = Run(run or new_id(), stopper, monitor=self.monitor)
        if self.reported is not None:
            _log.warning(
                "keepbest: this is another model than that of run %s: its run %s is not reported to the tracker. "
                "Call keepbest.init() for each model to see them all.",
                self.reported,
                made.id,
            )
        return made

    def equip(self, run: Run, carried: CarriedState) -> BestKeeper:
        """Return a new keeper for the best of a run."""
        buffer = SnapshotBuffer(self.snapshots, self.snapshot_memory)
        painter = Painter(self.scene, run.recorder.say) if self.scene is not None else None
        kept: dict[str, Any] = {"buffer": buffer, "retention": self.retention, "carried": carried, "painter": painter}
        return BestKeeper(run, self.store, **kept, references=self.references, strict=self.strict)


def patient(patience: int = 0, min_delta: float = 0, baseline: float | None = None) -> dict[str, Any]:
    """Return the JSON form of Keras' early stopping; a patience of 0 counts as 1, as in Keras."""
    params = {"checks": max(1, patience), "min_delta": abs(min_delta), "baseline": baseline}
    return {"name": "patience", "params": params}


def plan(
    monitor: str,
    mode: Literal["auto", "min", "max"],
    stopper: Mapping[str, Any] | str | None,
    store: Store | Path | str | Literal[False] | None,
    panels: Any,
    **more: Any,
) -> RunMaker:
    """Return the maker of runs for a callback's arguments.

    Raises InvalidInput for a wrong argument.
    """
    if mode not in _MODES:
        raise InvalidInput(f"mode is one of {', '.join(_MODES)}, but got {mode!r}.", field="mode")
    policy = parse(stopper) if isinstance(stopper, str) else stopper
    opened = None if store is False else open_store(store)
    scene = see(panels) if panels is not None else None
    return RunMaker(monitor, None if mode == "auto" else mode, policy, opened, scene=scene, **more)
