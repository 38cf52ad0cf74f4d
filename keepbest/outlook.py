"""When a living run will end, at its present pace.

`webui/src/lib/home/pace.ts` is its twin; both pass the table `tests/support/outlooks.json`.
"""

from __future__ import annotations

from dataclasses import dataclass

from keepbest.contract.runs import Run
from keepbest.figures import duration
from keepbest.status import RunState


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds from the newest step of a run to its end: by its patience, if nothing improves, and by its last step.

    Each is None where nothing of the kind ends the run.
    """

    patience: float | None
    limit: float | None

    def __str__(self) -> str:
        is_first = self.patience is not None and (self.limit is None or self.patience < self.limit)
        parts = [f"in {duration(self.patience)} unless it improves"] if is_first and self.patience is not None else []
        parts += [f"in {duration(self.limit)} at the latest"] if self.limit is not None else []
        return ", ".join(parts) or "when a person or its script ends it"


def find_outlook(run: Run) -> Outlook | None:
    """Return when a run will end; None while it does not train, or before its present segment has a pace.

    The pace is that between the first and the last validation of the present segment: what a fork took over, an
    earlier attempt or a pause says nothing of it.

    Example: `str(find_outlook(client.run(id)))` is `"in 5 min 00 s unless it improves, in 30 min 00 s at the latest"`.
    """
    pace, step = run.pace, run.step
    trains = run.state is RunState.RUNNING and run.stalled_since is None
    if not trains or pace is None or step is None or pace.segment != run.segment:
        return None
    waits, most = _steps_of_patience(run), run.steps_at_most
    since = step - (step if run.last_validation_step is None else run.last_validation_step)
    return Outlook(
        patience=None if waits is None else max(0.0, (waits - since) * pace.seconds_per_step),
        limit=None if most is None else max(0.0, (most - step) * pace.seconds_per_step),
    )


def describe_outlook(run: Run) -> str:
    """Return the outlook in words; an empty text for a run that does not train."""
    if run.state is not RunState.RUNNING or run.stalled_since is not None:
        return ""
    outlook = find_outlook(run)
    return "no pace yet" if outlook is None else str(outlook)


def _steps_of_patience(run: Run) -> float | None:
    """Return the patience that was left at the last validation, in steps."""
    if run.patience_left is None or run.pace is None:
        return None
    return run.patience_left * (1 if run.patience_unit == "steps" else run.pace.steps_per_validation)
