"""Whether all of a model is captured: said before the first step, and by the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from keepbest.errors import CheckpointIncomplete
from keepbest.snapshots.missing import Missing, describe
from keepbest.tracking.run import Run

#: What a run says of it.
MAX_NOTE = 5000
NO_RESUME = "A part of the model is not captured: no training goes on from a checkpoint."

_log = logging.getLogger("keepbest")


class Completeness:
    """Tells what of a run's model is missing in its states, once. A `strict` run does not begin then."""

    def __init__(self, run: Run, *, strict: bool = False) -> None:
        self._run = run
        self._strict = strict
        self._told: tuple[Missing, ...] = ()

    def tell(self, missing: Sequence[Missing]) -> None:
        """Warn of `missing`, and have the run say it. Raises CheckpointIncomplete where the run is strict."""
        if not missing or tuple(missing) == self._told:
            return
        self._told = tuple(missing)
        if self._strict:
            raise CheckpointIncomplete(describe(missing), hint="Without strict (--strict) it is trained all the same.")
        _log.warning("%s", describe(missing))
        message = "\n".join(map(str, missing))[:MAX_NOTE]
        self._run.recorder.report(incomplete=message, resume="approximate", resume_note=NO_RESUME)
