"""Artifacts that are checkpoints, each with the step and the value of its validation.

Revision 0030, after 0029. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "checkpoint_files",
        sa.Column("artifact_pk", BIG, nullable=False),
        sa.Column("metrics_pk", BIG, nullable=True),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(53), nullable=True),
        sa.ForeignKeyConstraint(
            ["artifact_pk"], ["artifacts.pk"], name="fk_checkpoint_files_artifact_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["metrics_pk"], ["artifacts.pk"], name="fk_checkpoint_files_metrics_pk", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("artifact_pk", name="pk_checkpoint_files"),
    )
    op.create_index("ix_checkpoint_files_metrics_pk", "checkpoint_files", ["metrics_pk"])


def downgrade() -> None:
    op.drop_table("checkpoint_files")
