"""Warns before the first step, and in the run, of parts of a model that keepbest cannot capture."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from keepbest.errors import CheckpointIncomplete
from keepbest.snapshots.missing import Missing, describe
from keepbest.tracking.run import Run

#: The longest note that a run takes.
MAX_NOTE = 5000
NO_RESUME = "keepbest cannot capture a part of the model: no training can go on from a checkpoint."

_log = logging.getLogger("keepbest")


class Completeness:
    """Reports once which parts of a run's model are missing in its states. A `strict` run does not begin then."""

    def __init__(self, run: Run, *, strict: bool = False) -> None:
        self._run = run
        self._strict = strict
        self._reported: tuple[Missing, ...] = ()

    def report(self, missing: Sequence[Missing]) -> None:
        """Log a warning of `missing`, and report it to the run. Raises CheckpointIncomplete if the run is strict."""
        if not missing or tuple(missing) == self._reported:
            return
        self._reported = tuple(missing)
        if self._strict:
            raise CheckpointIncomplete(describe(missing), hint="To train it all the same, leave out strict (--strict).")
        _log.warning("%s", describe(missing))
        message = "\n".join(map(str, missing))[:MAX_NOTE]
        self._run.recorder.report(incomplete=message, resume="approximate", resume_note=NO_RESUME)
