"""What is wrong with a run just now, which store a checkpoint lies in, and by which request a lease was asked for.

Revision 0014, after 0013. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("warning", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("stalled_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("checkpoints", sa.Column("store", sa.String(12), nullable=True))
    op.add_column("leases", sa.Column("request", sa.String(12), nullable=True))


def downgrade() -> None:
    op.drop_column("leases", "request")
    op.drop_column("checkpoints", "store")
    op.drop_column("runs", "stalled_since")
    op.drop_column("runs", "warning")
