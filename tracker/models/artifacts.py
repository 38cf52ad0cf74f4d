"""Table of artifacts: the files that runs keep beside their checkpoints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tracker.models.base import Base
from tracker.models.types import Big, Id

#: Compared by its characters' numbers on both databases, so that a path's beginning is a range of an index.
Path = String(500).with_variant(String(500, collation="C"), "postgresql")


class ArtifactTable(Base):
    """One version of a file at a path of a run. Rows are dropped, never changed; the newest durable one is current."""

    __tablename__ = "artifacts"
    __table_args__ = (UniqueConstraint("run_pk", "path", "version"), Index(None, "digest"))

    pk: Mapped[int] = mapped_column(Big, primary_key=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    run_pk: Mapped[int] = mapped_column(ForeignKey("runs.pk", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(Path)
    version: Mapped[int]
    is_current: Mapped[bool]
    kind: Mapped[str] = mapped_column(String(20))
    media_type: Mapped[str] = mapped_column(String(100))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    #: Bytes that the file added to the store: none where an equal file was there.
    written_bytes: Mapped[int] = mapped_column(BigInteger)
    #: SHA-256 of the bytes.
    digest: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(20))
    user: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]
