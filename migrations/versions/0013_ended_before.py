"""What a run that was resumed had been, until a worker takes it up: the resume may be cancelled.

Revision 0013, after 0012. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("ended_before", JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "ended_before")
