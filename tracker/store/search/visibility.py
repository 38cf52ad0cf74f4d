"""Who sees which runs: the one condition that every query of several runs goes through."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import ColumnElement, true

from tracker.models import RunTable
from tracker.store.access.users import Principal

#: Which runs are meant: those that are not deleted, those that are, or both.
View = Literal["active", "deleted", "all"]


def visible(principal: Principal | None, view: View = "active") -> ColumnElement[bool]:
    """Return the condition that a run must meet for this person to see it; None is the service itself.

    Everybody who may sign in sees every run, a deleted one only where it is asked for; the holder of a read-only link,
    what the link shows.
    """
    there = {"active": RunTable.deleted_at.is_(None), "deleted": RunTable.deleted_at.is_not(None), "all": true()}
    return _limit_to_share(there[view], principal)


def in_trash(principal: Principal | None) -> ColumnElement[bool]:
    """Return the condition that a deleted run must meet for this person to see it in the trash."""
    return visible(principal, "deleted")


def _limit_to_share(there: ColumnElement[bool], principal: Principal | None) -> ColumnElement[bool]:
    return there if principal is None or principal.share is None else there & principal.share.condition
