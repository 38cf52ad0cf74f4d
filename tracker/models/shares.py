"""The table of read-only links."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base


class ShareTable(Base):
    """What a read-only link shows: one run, or the runs of a project that a filter means; both as they were then."""

    __tablename__ = "shares"
    __table_args__ = (CheckConstraint("(run_pk IS NULL) <> (project_pk IS NULL)", name="of_one"),)

    #: The credential of kind `share` that opens the link.
    credential_pk: Mapped[int] = mapped_column(
        ForeignKey("credentials.pk", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    run_pk: Mapped[int | None] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"), index=True)
    project_pk: Mapped[int | None] = mapped_column(ForeignKey("projects.pk", ondelete="CASCADE"), index=True)
    #: The filter of the runs that the link shows.
    q: Mapped[str] = mapped_column(Text)
    #: What the page's address holds after its path: columns, panels, order.
    query: Mapped[str] = mapped_column(Text)
