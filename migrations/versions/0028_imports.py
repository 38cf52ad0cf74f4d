"""Runs that were imported from other tools: by which source each is found again, and how far it has come.

Revision 0028, after 0027. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("reported_runs", sa.Column("is_imported", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "imports",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("source_digest", sa.String(64)),
        sa.Column("is_complete", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("judged", DOCUMENT),
        *_of_run("imports", "run_pk"),
        sa.UniqueConstraint("project_pk", "kind", "source_digest", name="uq_imports_project_pk_kind_source_digest"),
    )
    op.create_table(
        "imported_metrics",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("segment", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        *_of_run("imported_metrics", "run_pk", "key"),
    )


def downgrade() -> None:
    op.drop_table("imported_metrics")
    op.drop_table("imports")
    op.drop_column("reported_runs", "is_imported")


def _of_run(table: str, *key: str) -> list[sa.Constraint]:
    """Return the key of a table whose rows belong to a run."""
    run = sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name=f"fk_{table}_run_pk", ondelete="CASCADE")
    return [run, sa.PrimaryKeyConstraint(*key, name=f"pk_{table}")]
