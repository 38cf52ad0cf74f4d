"""Read-only links to one run, or to the runs of a project that a filter means.

Revision 0024, after 0023. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("credential_pk", BIG, nullable=False, autoincrement=False),
        sa.Column("run_pk", BIG, nullable=True),
        sa.Column("project_pk", BIG, nullable=True),
        sa.Column("q", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["credential_pk"], ["credentials.pk"], name="fk_shares_credential_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name="fk_shares_run_pk", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["project_pk"], ["projects.pk"], name="fk_shares_project_pk", ondelete="CASCADE"),
        sa.CheckConstraint("(run_pk IS NULL) <> (project_pk IS NULL)", name="ck_shares_of_one"),
        sa.PrimaryKeyConstraint("credential_pk", name="pk_shares"),
    )
    op.create_index("ix_shares_run_pk", "shares", ["run_pk"])
    op.create_index("ix_shares_project_pk", "shares", ["project_pk"])


def downgrade() -> None:
    op.drop_table("shares")
