"""What the query strings of lists have in common."""

from __future__ import annotations

from pydantic import Field

from keepbest.contract.base import Shape
from keepbest.errors import InvalidInput


class After(Shape):
    """A list that grows at its end: `after` is the number of the last item seen, `cursor` the last page's cursor."""

    after: int | None = Field(default=None, ge=0, le=2**53)
    cursor: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=1000, ge=1, le=5000)

    @property
    def seq(self) -> int:
        """The number to go on from."""
        return (self.after or 0) if self.cursor is None else read_cursor(self.cursor)


def read_cursor(cursor: str) -> int:
    """Return the number in a cursor of ours."""
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 16:
        raise InvalidInput("cursor: one that an earlier page gave.", field="cursor")
    return int(cursor)


def next_cursor(seqs: list[int], limit: int) -> str | None:
    """Return the next page's cursor; None when this page was not full."""
    return str(seqs[-1]) if len(seqs) == limit else None
