"""Rules of a project: its default stopper, what stops its runs, and on which runs they have acted.

Revision 0004, after 0003. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "project_rules",
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("stopper", DOCUMENT, nullable=True),
        sa.Column("median", DOCUMENT, nullable=True),
        sa.Column("max_steps", sa.BigInteger(), nullable=True),
        sa.Column("max_seconds", sa.Float(53), nullable=True),
        sa.Column("set_by", sa.String(100), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("project_pk"),
        sa.ForeignKeyConstraint(["project_pk"], ["projects.pk"], ondelete="CASCADE"),
    )
    op.create_table(
        "rulings",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("command", sa.String(12), nullable=True),
        sa.PrimaryKeyConstraint("run_pk"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("rulings")
    op.drop_table("project_rules")
