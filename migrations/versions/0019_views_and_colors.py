"""Views of a project that people save, and the color that a person gave a run.

Revision 0019, after 0018. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("runs", sa.Column("color", sa.String(7), nullable=False, server_default=""))
    op.create_table(
        "views",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("id", sa.String(12), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("is_private", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["project_pk"], ["projects.pk"], name="fk_views_project_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name="pk_views"),
        sa.UniqueConstraint("id", name="uq_views_id"),
    )
    op.create_index("ix_views_project_pk", "views", ["project_pk"])


def downgrade() -> None:
    op.drop_table("views")
    op.drop_column("runs", "color")
