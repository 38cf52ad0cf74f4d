"""The runs that a filter means, as ids for an action on them: so many at once, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from tracker.models import RunTable
from tracker.store import cursors
from tracker.store.access.users import Principal
from tracker.store.search.listing import RunSearch, resolve_search
from tracker.store.search.plan import MAX_COUNT, Plan
from tracker.store.search.scope import open_scope

_ORDER = "matching"


@dataclass(frozen=True, slots=True)
class Matching:
    """Ids of runs that match, the newest first; `more` counts those behind them, `cursor` leads there."""

    ids: Sequence[str]
    more: int
    more_is_least: bool
    cursor: str | None


def find_matching(
    conn: Connection, search: RunSearch, *, cursor: str | None, limit: int, principal: Principal | None
) -> Matching:
    """Return the newest runs that a search means, from the cursor on; raises as a list of runs does."""
    scope = open_scope(conn, search.project, principal)
    term, _, _ = resolve_search(conn, scope, search)
    before = cursors.read(cursor, _ORDER, int)[0] if cursor is not None else None
    pks, is_more = Plan(conn, scope, term, MAX_COUNT).list_all(MAX_COUNT, before=before)
    chosen = pks[:limit]
    rows = conn.execute(select(RunTable.pk, RunTable.id).where(scope.among(RunTable.pk, chosen)))
    ids = {row.pk: row.id for row in rows}
    more = len(pks) - len(chosen)
    behind = cursors.write(_ORDER, [chosen[-1]]) if more else None
    return Matching([ids[pk] for pk in chosen if pk in ids], more, is_more, behind)
