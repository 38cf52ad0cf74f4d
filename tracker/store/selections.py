"""The selection of a run in its row: the whole of it, and the values by which a sweep compares its runs."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, null

from keepbest.contract.selections import Selection
from tracker.models import RunTable

#: The columns of a run without a selection: one that ends without it, or that is resumed.
FORGOTTEN: dict[str, Any] = {
    "selection": null(),
    "selected_value": None,
    "selected_step": None,
    "averages_tried": 0,
}
#: The value of the model that a restore gives: the selected one where there is one, else the best validation's.
VALUE = func.coalesce(RunTable.selected_value, RunTable.best_value)


def columns(made: Selection | None) -> dict[str, Any]:
    """Return the columns of a run that ends with this selection."""
    if made is None:
        return FORGOTTEN
    return {
        "selection": made.model_dump(mode="json"),
        "selected_value": made.value,
        "selected_step": made.step,
        "averages_tried": len(made.trials),
    }
