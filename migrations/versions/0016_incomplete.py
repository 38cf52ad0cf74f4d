"""What of a run's model its checkpoints do not hold.

Revision 0016, after 0015. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("incomplete", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "incomplete")
