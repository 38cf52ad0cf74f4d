"""Who sees which runs: the one condition that every query of several runs goes through."""

from __future__ import annotations

from sqlalchemy import ColumnElement

from tracker.models import RunTable
from tracker.store.access.users import Principal


def visible(principal: Principal | None) -> ColumnElement[bool]:
    """Return the condition that a run must meet for this person to see it; None is the service itself.

    Everybody who may sign in sees every run that is not deleted; the holder of a read-only link, what the link shows.
    """
    there = RunTable.deleted_at.is_(None)
    if principal is None or principal.share is None:
        return there
    return there & principal.share.condition
