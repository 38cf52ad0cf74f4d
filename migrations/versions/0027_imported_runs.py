"""Where a run came from that came in an archive.

Revision 0027, after 0026. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("imported_from", DOCUMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("runs", "imported_from")
