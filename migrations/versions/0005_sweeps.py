"""Sweeps, and which of their tries is which run.

Revision 0005, after 0004. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "sweeps",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("spec", DOCUMENT, nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("pk"),
        sa.ForeignKeyConstraint(["project_pk"], ["projects.pk"]),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("created_by", "idempotency_key"),
    )
    op.create_index("ix_sweeps_recent", "sweeps", ["project_pk", "pk"])
    op.create_index("ix_sweeps_living", "sweeps", ["state", "pk"])
    op.create_table(
        "trials",
        sa.Column("sweep_pk", BIG, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("sweep_pk", "number"),
        sa.ForeignKeyConstraint(["sweep_pk"], ["sweeps.pk"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], ondelete="CASCADE"),
        sa.UniqueConstraint("run_pk"),
    )


def downgrade() -> None:
    op.drop_table("trials")
    op.drop_table("sweeps")
