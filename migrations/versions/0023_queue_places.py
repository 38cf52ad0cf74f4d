"""Places in the queue that people choose, checkpoints whose files have left the trash, and an index by user.

Revision 0023, after 0022. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("queue_place", sa.Float(53), nullable=False, server_default="0"))
    op.execute("UPDATE runs SET queue_place = pk")
    op.drop_index("ix_runs_queue", "runs")
    op.create_index("ix_runs_queue", "runs", ["state", "priority", "queue_place", "pk"])
    op.create_index("ix_runs_user", "runs", ["project_pk", "created_by", "pk"])
    op.add_column("checkpoints", sa.Column("is_gone", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("checkpoints", "is_gone")
    op.drop_index("ix_runs_user", "runs")
    op.drop_index("ix_runs_queue", "runs")
    op.create_index("ix_runs_queue", "runs", ["state", "priority", "pk"])
    op.drop_column("runs", "queue_place")
