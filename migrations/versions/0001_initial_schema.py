"""The initial schema.

Revision 0001, after nothing. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
FLOAT = sa.Float(53)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
#: SQLite counts up by itself only in a column declared INTEGER.
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def column(name: str, kind: Any, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=False, **options)


def maybe(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=True)


def key(*names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names)


def unique(*names: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*names)


def refers(name: str, target: str, ondelete: str | None = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([name], [target], ondelete=ondelete)


#: In the order they are made; they go in the reverse one.
TABLES: dict[str, tuple[Any, ...]] = {
    "audit_log": (
        column("seq", BIG),
        column("at", MOMENT),
        column("user", sa.String(100)),
        column("action", sa.String(60)),
        column("target", sa.String(200)),
        maybe("detail", DOCUMENT),
        key("seq"),
    ),
    "bundles": (
        column("digest", sa.String(64)),
        column("data", sa.LargeBinary()),
        column("size_bytes", sa.Integer()),
        column("uploaded_by", sa.String(100)),
        column("created_at", MOMENT),
        key("digest"),
    ),
    "events": (
        column("seq", BIG),
        column("kind", sa.String(40)),
        maybe("project", sa.String(100)),
        maybe("run", sa.String(12)),
        column("data", DOCUMENT),
        column("at", MOMENT),
        key("seq"),
    ),
    "projects": (
        column("pk", BIG),
        column("name", sa.String(100)),
        column("description", sa.Text()),
        column("created_at", MOMENT),
        column("next_number", sa.Integer()),
        key("pk"),
        unique("name"),
    ),
    "users": (
        column("pk", BIG),
        column("id", sa.String(12)),
        column("name", sa.String(100)),
        column("role", sa.String(10)),
        column("created_at", MOMENT),
        maybe("disabled_at", MOMENT),
        key("pk"),
        sa.CheckConstraint("role IN ('viewer', 'member', 'worker', 'admin')", name="ck_users_role_known"),
        unique("id"),
        unique("name"),
    ),
    "workers": (
        column("id", sa.String(12)),
        column("name", sa.String(100)),
        column("host", sa.String(255)),
        column("pid", sa.Integer()),
        column("version", sa.String(50)),
        column("slots", sa.Integer()),
        column("labels", DOCUMENT),
        column("recipes_only", sa.Boolean()),
        column("recipes", DOCUMENT),
        column("started_at", MOMENT),
        column("heard_at", MOMENT),
        maybe("gone_at", MOMENT),
        key("id"),
    ),
    "credentials": (
        column("pk", BIG),
        column("id", sa.String(12)),
        column("user_pk", BIG),
        column("kind", sa.String(10)),
        column("name", sa.String(100)),
        column("role", sa.String(10)),
        column("digest", sa.String(64)),
        column("created_at", MOMENT),
        maybe("last_used_at", MOMENT),
        maybe("expires_at", MOMENT),
        maybe("revoked_at", MOMENT),
        key("pk"),
        refers("user_pk", "users.pk"),
        unique("digest"),
        unique("id"),
    ),
    "runs": (
        column("pk", BIG),
        column("id", sa.String(12)),
        column("project_pk", BIG),
        column("number", sa.Integer()),
        column("name", sa.String(100)),
        column("state", sa.String(20)),
        maybe("stop_reason", sa.String(40)),
        maybe("stop_message", sa.Text()),
        maybe("error", DOCUMENT),
        column("spec", DOCUMENT),
        column("source_kind", sa.String(20)),
        column("mode", sa.String(10)),
        column("tags", DOCUMENT),
        column("notes", sa.Text()),
        column("priority", sa.Integer()),
        column("created_by", sa.String(100)),
        maybe("idempotency_key", sa.String(200)),
        column("created_at", MOMENT),
        maybe("started_at", MOMENT),
        maybe("ended_at", MOMENT),
        column("updated_at", MOMENT),
        maybe("heard_at", MOMENT),
        maybe("deleted_at", MOMENT),
        column("attempt", sa.Integer()),
        column("max_attempts", sa.Integer()),
        maybe("lease_digest", sa.String(64)),
        maybe("lease_expires_at", MOMENT),
        maybe("worker_id", sa.String(12)),
        maybe("worker_name", sa.String(100)),
        maybe("segment", sa.Integer()),
        maybe("step", sa.BigInteger()),
        maybe("last_value", FLOAT),
        maybe("last_look_step", sa.BigInteger()),
        column("looks", sa.Integer()),
        maybe("wait", sa.BigInteger()),
        maybe("patience_left", sa.BigInteger()),
        maybe("patience_unit", sa.String(10)),
        maybe("best_value", FLOAT),
        maybe("best_step", sa.BigInteger()),
        maybe("best_checkpoint_value", FLOAT),
        maybe("best_checkpoint", sa.String(12)),
        maybe("resume", sa.String(20)),
        maybe("resume_note", sa.Text()),
        maybe("environment", DOCUMENT),
        maybe("test", DOCUMENT),
        key("pk"),
        refers("project_pk", "projects.pk", ondelete=None),
        unique("created_by", "idempotency_key"),
        unique("id"),
        unique("project_pk", "number"),
    ),
    "checkpoints": (
        column("pk", BIG),
        column("id", sa.String(12)),
        column("run_pk", BIG),
        column("segment", sa.Integer()),
        column("step", sa.BigInteger()),
        column("kind", sa.String(20)),
        maybe("value", FLOAT),
        column("state", sa.String(20)),
        column("is_pinned", sa.Boolean(), server_default=sa.false()),
        column("digest", sa.String(64)),
        column("size_bytes", sa.BigInteger()),
        column("written_bytes", sa.BigInteger()),
        column("location", sa.Text()),
        column("at", MOMENT),
        key("pk"),
        refers("run_pk", "runs.pk"),
        unique("id"),
    ),
    "commands": (
        column("pk", BIG),
        column("id", sa.String(12)),
        column("run_pk", BIG),
        column("kind", sa.String(20)),
        column("arguments", DOCUMENT),
        column("state", sa.String(20)),
        column("requested_by", sa.String(100)),
        column("requested_at", MOMENT),
        maybe("acknowledged_at", MOMENT),
        maybe("done_at", MOMENT),
        column("message", sa.Text()),
        maybe("result", DOCUMENT),
        key("pk"),
        refers("run_pk", "runs.pk"),
        unique("id"),
    ),
    "leases": (
        column("pk", BIG),
        column("run_pk", BIG),
        column("digest", sa.String(64)),
        maybe("worker_id", sa.String(12)),
        column("attempt", sa.Integer()),
        column("granted_at", MOMENT),
        maybe("ended_at", MOMENT),
        maybe("outcome", sa.String(20)),
        key("pk"),
        refers("run_pk", "runs.pk"),
        unique("digest"),
    ),
    "log_pieces": (
        column("pk", BIG),
        column("run_pk", BIG),
        column("attempt", sa.Integer()),
        column("stream", sa.String(10)),
        column("offset", sa.BigInteger()),
        column("text", sa.Text()),
        column("at", MOMENT),
        key("pk"),
        refers("run_pk", "runs.pk"),
        unique("run_pk", "attempt", "stream", "offset"),
    ),
    "looks": (
        column("pk", BIG),
        column("run_pk", BIG),
        column("segment", sa.Integer()),
        column("step", sa.BigInteger()),
        maybe("value", FLOAT),
        maybe("n", sa.BigInteger()),
        maybe("epoch", FLOAT),
        maybe("seconds", FLOAT),
        column("metrics", DOCUMENT),
        column("decision", DOCUMENT),
        maybe("snapshot", sa.String(12)),
        maybe("checkpoint", sa.String(12)),
        maybe("note", sa.Text()),
        column("at", MOMENT),
        key("pk"),
        refers("run_pk", "runs.pk"),
        unique("run_pk", "segment", "step"),
    ),
    "metric_chunks": (
        column("pk", BIG),
        column("run_pk", BIG),
        column("key", sa.String(200)),
        column("segment", sa.Integer()),
        column("first_step", sa.BigInteger()),
        column("last_step", sa.BigInteger()),
        column("count", sa.Integer()),
        column("encoding", sa.Integer()),
        maybe("envelope", sa.LargeBinary()),
        column("data", sa.LargeBinary()),
        key("pk"),
        refers("run_pk", "runs.pk"),
    ),
    "metric_summaries": (
        column("run_pk", BIG),
        column("key", sa.String(200)),
        column("count", sa.BigInteger()),
        column("non_finite", sa.BigInteger()),
        column("first_step", sa.BigInteger()),
        column("last_step", sa.BigInteger()),
        column("last_value", FLOAT),
        maybe("min_value", FLOAT),
        maybe("min_step", sa.BigInteger()),
        maybe("max_value", FLOAT),
        maybe("max_step", sa.BigInteger()),
        key("run_pk", "key"),
        refers("run_pk", "runs.pk"),
    ),
    "receipts": (
        column("pk", BIG),
        column("run_pk", BIG),
        column("receipt", DOCUMENT),
        column("user", sa.String(100)),
        column("at", MOMENT),
        key("pk"),
        refers("run_pk", "runs.pk"),
    ),
    "segments": (
        column("run_pk", BIG),
        column("number", sa.Integer(), autoincrement=False),
        maybe("parent", sa.Integer()),
        column("reason", sa.String(20)),
        column("start_step", sa.BigInteger()),
        maybe("checkpoint", sa.String(12)),
        column("attempt", sa.Integer()),
        column("opened_at", MOMENT),
        maybe("branched_step", sa.BigInteger()),
        key("run_pk", "number"),
        refers("run_pk", "runs.pk"),
    ),
    "writers": (
        column("run_pk", BIG),
        column("id", sa.String(12)),
        column("last_number", sa.BigInteger()),
        column("heard_at", MOMENT),
        key("run_pk", "id"),
        refers("run_pk", "runs.pk"),
    ),
}
INDEXES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ix_credentials_user_pk", "credentials", ("user_pk",)),
    ("ix_runs_best", "runs", ("project_pk", "best_value", "pk")),
    ("ix_runs_last", "runs", ("project_pk", "last_value", "pk")),
    ("ix_runs_lease_expiry", "runs", ("lease_expires_at",)),
    ("ix_runs_counted", "runs", ("project_pk", "deleted_at", "state", "pk")),
    ("ix_runs_queue", "runs", ("state", "priority", "pk")),
    ("ix_runs_recent", "runs", ("project_pk", "deleted_at", "pk")),
    ("ix_checkpoints_run_pk_pk", "checkpoints", ("run_pk", "pk")),
    ("ix_commands_run_pk_state", "commands", ("run_pk", "state")),
    ("ix_leases_run_pk", "leases", ("run_pk",)),
    ("ix_log_pieces_run_pk_pk", "log_pieces", ("run_pk", "pk")),
    ("ix_looks_run_pk_pk", "looks", ("run_pk", "pk")),
    (
        "ix_metric_chunks_run_pk_key_segment_first_step",
        "metric_chunks",
        ("run_pk", "key", "segment", "first_step"),
    ),
    ("ix_metric_chunks_small", "metric_chunks", ("encoding", "pk")),
    ("ix_metric_summaries_key_last_value_run_pk", "metric_summaries", ("key", "last_value", "run_pk")),
    ("ix_receipts_run_pk", "receipts", ("run_pk",)),
)
#: A number of these is never given twice, also after the newest row was deleted.
COUNTED = ("audit_log", "events")


def upgrade() -> None:
    for name, parts in TABLES.items():
        op.create_table(name, *parts, sqlite_autoincrement=name in COUNTED)
    for name, table, columns in INDEXES:
        op.create_index(name, table, list(columns))


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)
