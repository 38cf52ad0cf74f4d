"""What a run's selector did at its end, and how many examples a checkpoint's value was measured on.

Revision 0008, after 0007. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("selection", DOCUMENT, nullable=True))
    op.add_column("checkpoints", sa.Column("n", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("checkpoints", "n")
    op.drop_column("runs", "selection")
