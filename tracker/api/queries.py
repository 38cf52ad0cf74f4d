"""Cursors and query parameters that lists share."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.errors import InvalidInput


class After(Shape):
    """The query of a list that grows at its end: `after` is the last item's number, `cursor` the last page's cursor."""

    after: int | None = Field(default=None, ge=0, le=2**53)
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=1000, ge=1, le=5000)

    @property
    def seq(self) -> int:
        """The number of the item after which the page begins."""
        return (self.after or 0) if self.cursor is None else read_cursor(self.cursor)


def read_cursor(cursor: str) -> int:
    """Return the number in a cursor that `next_cursor` made; raises InvalidInput for any other text."""
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 16:
        raise InvalidInput("cursor: the cursor of an earlier page.", field="cursor")
    return int(cursor)


def next_cursor(seqs: list[int], limit: int) -> str | None:
    """Return the next page's cursor; None when this page was not full."""
    return str(seqs[-1]) if len(seqs) == limit else None
