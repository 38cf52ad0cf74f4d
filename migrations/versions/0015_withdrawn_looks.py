"""Looks that were the best and are none: each is marked, and what was found is an entry of the ledger of its own.

Revision 0015, after 0014. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OLD, NEW = ["run_pk", "segment", "step"], ["run_pk", "segment", "step", "withdraws"]
OLD_NAME, NEW_NAME = (f"uq_looks_{'_'.join(columns)}" for columns in (OLD, NEW))


def upgrade() -> None:
    with op.batch_alter_table("looks") as looks:
        looks.add_column(sa.Column("withdraws", sa.Boolean(), server_default=sa.false(), nullable=False))
        looks.add_column(sa.Column("is_withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False))
        looks.drop_constraint(OLD_NAME, type_="unique")
        looks.create_unique_constraint(NEW_NAME, NEW)


def downgrade() -> None:
    op.execute(sa.text("DELETE FROM looks WHERE withdraws"))
    with op.batch_alter_table("looks") as looks:
        looks.drop_constraint(NEW_NAME, type_="unique")
        looks.create_unique_constraint(OLD_NAME, OLD)
        looks.drop_column("is_withdrawn")
        looks.drop_column("withdraws")
