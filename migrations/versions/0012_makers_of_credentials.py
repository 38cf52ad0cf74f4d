"""Which credential made which, by which credential a worker was registered, and the files of a bundle.

Revision 0012, after 0011. Imports nothing from tracker: a revision must mean the same next year. What was made before
counts as made by nobody; a worker from before belongs to whoever says hello for it first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("credentials", sa.Column("made_by", BIG, nullable=True))
    op.create_index("ix_credentials_made_by", "credentials", ["made_by"])
    op.add_column("workers", sa.Column("registered_by", sa.String(12), nullable=True))
    op.add_column("bundles", sa.Column("files", DOCUMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("bundles", "files")
    op.drop_column("workers", "registered_by")
    op.drop_index("ix_credentials_made_by", "credentials")
    op.drop_column("credentials", "made_by")
