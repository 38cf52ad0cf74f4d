"""Aliases of checkpoints and artifacts, and the history of each.

Revision 0026, after 0025. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "aliases",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("checkpoint_pk", BIG, nullable=True),
        sa.Column("artifact_pk", BIG, nullable=True),
        sa.Column("user", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _belongs_to("aliases", "project"),
        _belongs_to("aliases", "run"),
        _belongs_to("aliases", "checkpoint"),
        _belongs_to("aliases", "artifact"),
        sa.CheckConstraint("(checkpoint_pk IS NULL) <> (artifact_pk IS NULL)", name="ck_aliases_of_one"),
        sa.PrimaryKeyConstraint("pk", name="pk_aliases"),
        sa.UniqueConstraint("project_pk", "name", name="uq_aliases_project_pk_name"),
    )
    for column in ("run_pk", "checkpoint_pk", "artifact_pk"):
        op.create_index(f"ix_aliases_{column}", "aliases", [column])
    op.create_table(
        "alias_moves",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("before", DOCUMENT, nullable=True),
        sa.Column("after", DOCUMENT, nullable=True),
        sa.Column("user", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _belongs_to("alias_moves", "project"),
        sa.PrimaryKeyConstraint("pk", name="pk_alias_moves"),
    )
    op.create_index("ix_alias_moves_project_pk_pk", "alias_moves", ["project_pk", "pk"])


def downgrade() -> None:
    op.drop_table("alias_moves")
    op.drop_table("aliases")


def _belongs_to(table: str, other: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{other}_pk"
    return sa.ForeignKeyConstraint([f"{other}_pk"], [f"{other}s.pk"], name=name, ondelete="CASCADE")
