"""Logged models, and the registry of models with versions and aliases.

Revision 0029, after 0028. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIMES = ("created_at", "updated_at")


def upgrade() -> None:
    _create_logged_models()
    _create_registry()
    _create_aliases()


def downgrade() -> None:
    for table in ("model_aliases", "model_versions", "registered_models", "run_models", "logged_models"):
        op.drop_table(table)


def _create_logged_models() -> None:
    op.create_table(
        "logged_models",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("is_of_run", sa.Boolean(), nullable=False),
        sa.Column("name", sa.String(500), nullable=False),
        sa.Column("model_type", sa.String(500), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("tags", DOCUMENT, nullable=False),
        *_times(),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        _belongs_to("logged_models", "project_pk", "projects"),
        _belongs_to("logged_models", "run_pk", "runs"),
        sa.PrimaryKeyConstraint("pk", name="pk_logged_models"),
        sa.UniqueConstraint("id", name="uq_logged_models_id"),
    )
    op.create_index("ix_logged_models_project_pk_pk", "logged_models", ["project_pk", "pk"])
    op.create_index("ix_logged_models_run_pk", "logged_models", ["run_pk"])
    op.create_table(
        "run_models",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("model_pk", BIG, nullable=False),
        sa.Column("step", BIG, nullable=False),
        _belongs_to("run_models", "run_pk", "runs"),
        _belongs_to("run_models", "model_pk", "logged_models"),
        sa.PrimaryKeyConstraint("run_pk", "model_pk", name="pk_run_models"),
    )


def _create_registry() -> None:
    op.create_table(
        "registered_models",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", DOCUMENT, nullable=False),
        sa.Column("next_version", sa.Integer(), nullable=False),
        *_times(),
        sa.PrimaryKeyConstraint("pk", name="pk_registered_models"),
        sa.UniqueConstraint("name", name="uq_registered_models_name"),
    )
    op.create_table(
        "model_versions",
        sa.Column("pk", BIG, nullable=False),
        sa.Column("model_pk", BIG, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", DOCUMENT, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("run", sa.String(256), nullable=True),
        sa.Column("run_link", sa.Text(), nullable=True),
        sa.Column("logged_model", sa.String(40), nullable=True),
        sa.Column("holder_pk", BIG, nullable=True),
        sa.Column("stage", sa.String(20), nullable=False),
        sa.Column("user", sa.String(100), nullable=False),
        *_times(),
        _belongs_to("model_versions", "model_pk", "registered_models"),
        _belongs_to("model_versions", "holder_pk", "runs", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("pk", name="pk_model_versions"),
        sa.UniqueConstraint("model_pk", "version", name="uq_model_versions_model_pk_version"),
    )
    op.create_index("ix_model_versions_holder_pk", "model_versions", ["holder_pk"])


def _create_aliases() -> None:
    op.create_table(
        "model_aliases",
        sa.Column("model_pk", BIG, nullable=False),
        sa.Column("alias", sa.String(255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _belongs_to("model_aliases", "model_pk", "registered_models"),
        sa.PrimaryKeyConstraint("model_pk", "alias", name="pk_model_aliases"),
    )


def _times() -> list[sa.Column[datetime]]:
    return [sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in TIMES]


def _belongs_to(table: str, column: str, other: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.pk"], name=f"fk_{table}_{column}", ondelete=ondelete)
