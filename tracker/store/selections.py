"""What a selector made of a run, in its row: all that it said, and what a sweep compares its runs by."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, null

from keepbest.contract.selections import Selection
from tracker.models import RunTable

#: The columns of a run that ends without a selection, or goes on: nothing is selected then.
FORGOTTEN: dict[str, Any] = {
    "selection": null(),
    "selected_value": None,
    "selected_step": None,
    "averages_tried": 0,
}
#: What a restore gives: the selected model's value where there is one, else the best validation's.
VALUE = func.coalesce(RunTable.selected_value, RunTable.best_value)


def columns(made: Selection | None) -> dict[str, Any]:
    """Return the columns of a run that ends with this."""
    if made is None:
        return FORGOTTEN
    return {
        "selection": made.model_dump(mode="json"),
        "selected_value": made.value,
        "selected_step": made.step,
        "averages_tried": len(made.trials),
    }
