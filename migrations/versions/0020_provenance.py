"""How runs came about: the commit as a column to find runs by, packages and uncommitted changes in a table.

Revision 0020, after 0019. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
HAS_COMMIT = sa.text('"commit" IS NOT NULL')


def upgrade() -> None:
    op.add_column("runs", sa.Column("commit", sa.String(64), nullable=True))
    columns = ["project_pk", "commit", "pk"]
    op.create_index("ix_runs_commit", "runs", columns, sqlite_where=HAS_COMMIT, postgresql_where=HAS_COMMIT)
    op.create_table(
        "run_provenance",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("provenance", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name="fk_run_provenance_run_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_pk", name="pk_run_provenance"),
    )


def downgrade() -> None:
    op.drop_table("run_provenance")
    op.drop_index("ix_runs_commit", "runs")
    op.drop_column("runs", "commit")
