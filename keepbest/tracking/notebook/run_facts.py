"""Reads what a card shows from the parts of a living run."""

from __future__ import annotations

from keepbest.stopping import Decision
from keepbest.tracking.notebook.card import CardFacts
from keepbest.tracking.recorder import Recorder
from keepbest.tracking.run_names import RunNames
from keepbest.tracking.stopper import Stopper


def read_card(
    id: str,
    names: RunNames,
    url: str | None,
    outcome: str | None,
    stopper: Stopper,
    recorder: Recorder,
    decision: Decision | None,
) -> CardFacts:
    """Return the facts of a run as it is now; `outcome` is how it ended."""
    step, value = stopper.best
    left, unit = (decision.patience_left, decision.unit) if decision is not None else (None, None)
    return CardFacts(
        id=id,
        name=names.name,
        project=names.project,
        state=outcome
        or ("offline, running" if recorder.uploader is not None and recorder.uploader.is_offline else "running"),
        monitor=recorder.monitor,
        step=recorder.step,
        url=url,
        best_value=value,
        best_step=step,
        patience=f"{left:,} {unit or 'checks'} left" if left is not None else "",
        message=decision.message if decision is not None else "",
    )
