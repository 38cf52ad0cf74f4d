"""Every measurement of a test set is kept.

Revision 0006, after 0005. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "evaluations",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("test", DOCUMENT, nullable=False),
        sa.Column("worker", sa.String(100), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], ondelete="CASCADE"),
    )
    op.create_index("ix_evaluations_run_pk", "evaluations", ["run_pk"])
    # What is known of runs that ended before: their last one.
    op.execute(
        "INSERT INTO evaluations (run_pk, attempt, test, worker, at) SELECT pk, attempt, test, worker_name, ended_at "
        "FROM runs WHERE test IS NOT NULL AND CAST(test AS TEXT) <> 'null' AND ended_at IS NOT NULL ORDER BY ended_at"
    )


def downgrade() -> None:
    op.drop_table("evaluations")
