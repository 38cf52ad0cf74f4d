"""Projects that were archived, and projects that were deleted with their runs.

Revision 0021, after 0020. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

COLUMNS = ("archived_at", "deleted_at")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("projects", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("projects", name)
