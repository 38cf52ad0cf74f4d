"""Says in the run which state a roll back or a restart of a user's own `fit` does not bring back."""

from __future__ import annotations

from keepbest.snapshots.carried_state import CarriedState
from keepbest.tracking.run import Run

OWN_DATA = "The data of your own fit() is not in the state: a roll back leaves it where it is, a restart begins anew."


class Doubts:
    """Reports the doubts of one run, whenever there are more of them."""

    def __init__(self, run: Run, carried: CarriedState) -> None:
        self._run = run
        self._carried = carried
        self._reported: str | None = None

    def report(self) -> None:
        """Report them unless they are those of the last call."""
        lost = self._carried.find_lost()
        note = f"{OWN_DATA} Of the callbacks, {', '.join(lost)} is not JSON and stays as it is." if lost else OWN_DATA
        if note != self._reported:
            self._reported = note
            self._run.recorder.report(resume="approximate", resume_note=note)
