"""Who sees which runs: the one condition that every query of several runs goes through."""

from __future__ import annotations

from sqlalchemy import ColumnElement

from tracker.models import RunTable
from tracker.store.access.users import Principal


def visible(principal: Principal | None) -> ColumnElement[bool]:
    """Return the condition that a run must meet for this person to see it; None is the service itself.

    Everybody who may sign in sees every run that is not deleted; the holder of a read-only link, what the link shows.
    """
    return _limit_to_share(RunTable.deleted_at.is_(None), principal)


def in_trash(principal: Principal | None) -> ColumnElement[bool]:
    """Return the condition that a deleted run must meet for this person to see it in the trash."""
    return _limit_to_share(RunTable.deleted_at.is_not(None), principal)


def _limit_to_share(there: ColumnElement[bool], principal: Principal | None) -> ColumnElement[bool]:
    return there if principal is None or principal.share is None else there & principal.share.condition
