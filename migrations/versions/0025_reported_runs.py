"""What MLflow's clients say: tags with keys, data sets, tags of projects, and runs that report without a lease.

Revision 0025, after 0024. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("metric_summaries", sa.Column("last_time", sa.Float(53)))
    _create_tables_of_runs()
    op.create_table(
        "project_tags",
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project_pk"], ["projects.pk"], name="fk_project_tags_project_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_pk", "key", name="pk_project_tags"),
    )
    op.create_index("ix_project_tags_key", "project_tags", ["key"])


def downgrade() -> None:
    for table in ("project_tags", "run_datasets", "run_keyed_tags", "reported_runs"):
        op.drop_table(table)
    op.drop_column("metric_summaries", "last_time")


def _create_tables_of_runs() -> None:
    op.create_table(
        "reported_runs",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("wanted", sa.String(200)),
        sa.Column("monitor", sa.String(200)),
        sa.Column("stopper_state", DOCUMENT),
        sa.Column("judged", DOCUMENT),
        sa.Column("is_resumed", sa.Boolean(), nullable=False, server_default=sa.false()),
        *_of_run("reported_runs", "run_pk"),
    )
    op.create_table(
        "run_keyed_tags",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("key", sa.String(250), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("text", sa.String(300), nullable=False),
        sa.Column("rest", sa.Text()),
        *_of_run("run_keyed_tags", "run_pk", "key"),
    )
    op.create_index(
        "ix_run_keyed_tags_project_pk_key_text_run_pk", "run_keyed_tags", ["project_pk", "key", "text", "run_pk"]
    )
    op.create_table(
        "run_datasets",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("name", sa.String(500), nullable=False),
        sa.Column("digest", sa.String(36), nullable=False),
        sa.Column("context", sa.String(500), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        *_of_run("run_datasets", "run_pk", "name", "digest"),
    )
    op.create_index("ix_run_datasets_project_pk_name_run_pk", "run_datasets", ["project_pk", "name", "run_pk"])


def _of_run(table: str, *key: str) -> list[sa.Constraint]:
    """Return the key of a table whose rows belong to a run."""
    run = sa.ForeignKeyConstraint(["run_pk"], ["runs.pk"], name=f"fk_{table}_run_pk", ondelete="CASCADE")
    return [run, sa.PrimaryKeyConstraint(*key, name=f"pk_{table}")]
