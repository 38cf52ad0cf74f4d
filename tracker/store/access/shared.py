"""What the holder of a read-only link may see: the scope of a request that comes by such a link."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement


@dataclass(frozen=True, slots=True)
class SharedScope:
    """One run, or the runs of a project that a filter means; `condition` is what a row of `runs` must meet."""

    id: str
    by: str
    expires_at: datetime
    project: str
    project_pk: int
    run: str | None
    q: str
    query: str
    condition: ColumnElement[bool] = field(compare=False, repr=False)
