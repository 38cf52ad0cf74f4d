"""What runs are found by: the best of each metric, parameters and tags in tables, and what of the spec names groups.

Revision 0018, after 0017. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
EMPTY, ZERO = sa.text("''"), sa.text("0")
IS_FORK, IS_NUMBER, IS_TEXT = (
    sa.text(f"{name} IS {word}NULL") for name, word in (("forked_from", "NOT "), ("number", "NOT "), ("number", ""))
)
#: Runs that are read and written at once.
AT_ONCE = 1000
MAX_TEXT = 300

RUNS = sa.table(
    "runs",
    *(sa.column(name, BIG) for name in ("pk", "project_pk", "best_step")),
    *(sa.column(name, DOCUMENT) for name in ("spec", "tags")),
    *(sa.column(name, sa.String()) for name in ("monitor", "recipe", "forked_from", "variant")),
    sa.column("best_value", sa.Float(53)),
)
SUMMARIES = sa.table(
    "metric_summaries",
    *(sa.column(name, BIG) for name in ("run_pk", "project_pk", "best_step", "last_step", "min_step", "max_step")),
    sa.column("key", sa.String()),
    *(sa.column(name, sa.Float(53)) for name in ("best_value", "last_value", "min_value", "max_value")),
)
PARAMETERS = sa.table(
    "run_parameters",
    *(sa.column(name) for name in ("run_pk", "key", "project_pk", "number", "text")),
)
TAGS = sa.table("run_tags", *(sa.column(name) for name in ("run_pk", "tag", "project_pk")))

RUN_INDEXES = {
    f"ix_runs_{name}": ["project_pk", column, "pk"]
    for name, column in (
        ("created", "created_at"),
        ("started", "started_at"),
        ("ended", "ended_at"),
        ("recipe", "recipe"),
        ("variant", "variant"),
    )
}
SUMMARY_INDEXES = {
    f"ix_metric_summaries_{name}": ["project_pk", "key", f"{name}_value", "run_pk"] for name in ("best", "last")
}


def upgrade() -> None:
    op.add_column("runs", sa.Column("monitor", sa.String(200), server_default=EMPTY, nullable=False))
    op.add_column("runs", sa.Column("recipe", sa.String(300), nullable=True))
    op.add_column("runs", sa.Column("forked_from", sa.String(12), nullable=True))
    op.add_column("runs", sa.Column("variant", sa.String(32), server_default=EMPTY, nullable=False))
    op.add_column("metric_summaries", sa.Column("project_pk", BIG, server_default=ZERO, nullable=False))
    op.add_column("metric_summaries", sa.Column("best_value", sa.Float(53), nullable=True))
    op.add_column("metric_summaries", sa.Column("best_step", sa.BigInteger(), nullable=True))
    make_tables()
    conn = op.get_bind()
    for rows in read_runs(conn):
        fill_runs(conn, rows)
    fill_summaries(conn)
    make_indexes()


def downgrade() -> None:
    op.drop_index("ix_runs_forked_from", "runs")
    for name in RUN_INDEXES:
        op.drop_index(name, "runs")
    for name in SUMMARY_INDEXES:
        op.drop_index(name, "metric_summaries")
    op.create_index("ix_metric_summaries_key_last_value_run_pk", "metric_summaries", ["key", "last_value", "run_pk"])
    op.drop_table("run_tags")
    op.drop_table("run_parameters")
    for name in ("best_step", "best_value", "project_pk"):
        op.drop_column("metric_summaries", name)
    for name in ("variant", "forked_from", "recipe", "monitor"):
        op.drop_column("runs", name)


def make_tables() -> None:
    run = ["run_pk"], ["runs.pk"]
    op.create_table(
        "run_parameters",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.Column("number", sa.Float(53), nullable=True),
        sa.Column("text", sa.String(MAX_TEXT), nullable=False),
        sa.ForeignKeyConstraint(*run, name="fk_run_parameters_run_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_pk", "key", name="pk_run_parameters"),
    )
    op.create_table(
        "run_tags",
        sa.Column("run_pk", BIG, nullable=False),
        sa.Column("tag", sa.String(100), nullable=False),
        sa.Column("project_pk", BIG, nullable=False),
        sa.ForeignKeyConstraint(*run, name="fk_run_tags_run_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_pk", "tag", name="pk_run_tags"),
    )


def make_indexes() -> None:
    """Make them last: rows are written faster without."""
    for name, columns in RUN_INDEXES.items():
        op.create_index(name, "runs", columns)
    op.create_index("ix_runs_forked_from", "runs", ["forked_from"], sqlite_where=IS_FORK, postgresql_where=IS_FORK)
    op.drop_index("ix_metric_summaries_key_last_value_run_pk", "metric_summaries")
    for name, columns in SUMMARY_INDEXES.items():
        op.create_index(name, "metric_summaries", columns)
    for kind, where in (("number", IS_NUMBER), ("text", IS_TEXT)):
        columns = ["project_pk", "key", kind, "run_pk"]
        name = f"ix_run_parameters_{kind}"
        op.create_index(name, "run_parameters", columns, sqlite_where=where, postgresql_where=where)
    op.create_index("ix_run_tags_project_pk_tag_run_pk", "run_tags", ["project_pk", "tag", "run_pk"])


def read_runs(conn: sa.Connection) -> Iterator[list[Any]]:
    columns = (RUNS.c.pk, RUNS.c.project_pk, RUNS.c.spec, RUNS.c.tags)
    last = 0
    while rows := conn.execute(sa.select(*columns).where(RUNS.c.pk > last).order_by(RUNS.c.pk).limit(AT_ONCE)).all():
        yield list(rows)
        last = rows[-1].pk


def fill_runs(conn: sa.Connection, rows: list[Any]) -> None:
    set_columns = RUNS.update().where(RUNS.c.pk == sa.bindparam("of_run"))
    changes: dict[str, Any] = {
        name: sa.bindparam(f"to_{name}") for name in ("monitor", "recipe", "forked_from", "variant")
    }
    conn.execute(set_columns.values(**changes), [{"of_run": row.pk, **describe(row.spec or {})} for row in rows])
    parameters = [
        {"run_pk": row.pk, "key": key, "project_pk": row.project_pk, **value}
        for row in rows
        for key, value in read_parameters(row.spec or {})
    ]
    tags = [
        {"run_pk": row.pk, "tag": tag, "project_pk": row.project_pk}
        for row in rows
        for tag in sorted(set(row.tags or []))
    ]
    for table, entries in ((PARAMETERS, parameters), (TAGS, tags)):
        if entries:
            conn.execute(table.insert(), entries)


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    origin = spec.get("forked_from") or {}
    return {
        "to_monitor": spec.get("monitor") or "",
        "to_recipe": name_recipe(spec.get("source") or {}),
        "to_forked_from": origin.get("run"),
        "to_variant": find_variant(spec),
    }


def fill_summaries(conn: sa.Connection) -> None:
    of_run = RUNS.c.pk == SUMMARIES.c.run_pk
    project = sa.select(RUNS.c.project_pk).where(of_run).scalar_subquery()
    conn.execute(SUMMARIES.update().values(project_pk=project))
    for key in conn.execute(sa.select(SUMMARIES.c.key).distinct()).scalars().all():
        side = find_side(key)
        value, step = SUMMARIES.c[f"{side}_value"], SUMMARIES.c[f"{side}_step"]
        here = SUMMARIES.update().where(SUMMARIES.c.key == key, value <= math.inf)
        conn.execute(here.values(best_value=value, best_step=step))
    monitored = sa.exists().where(of_run, RUNS.c.monitor == SUMMARIES.c.key)
    own = {name: sa.select(RUNS.c[name]).where(of_run).scalar_subquery() for name in ("best_value", "best_step")}
    conn.execute(SUMMARIES.update().where(monitored).values(**own))


# As the tracker of this revision finds them.

SEEDS = re.compile(r"(^|[_.])seed$|^random_state$")
DOWN = frozenset((
    "binary_crossentropy", "categorical_crossentropy", "categorical_hinge", "hinge", "kl_divergence", "logcosh",
    "mae", "mape", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
    "mean_squared_logarithmic_error", "mse", "msle", "poisson", "root_mean_squared_error",
    "sparse_categorical_crossentropy", "squared_hinge",
))  # fmt: skip
UP = frozenset((
    "acc", "accuracy", "auc", "binary_accuracy", "binary_io_u", "categorical_accuracy", "concordance_correlation",
    "cosine_similarity", "f1_score", "fbeta_score", "io_u", "mean_io_u", "one_hot_io_u", "one_hot_mean_io_u",
    "pearson_correlation", "precision", "precision_at_recall", "r2_score", "recall", "recall_at_precision",
    "sensitivity_at_specificity", "sparse_categorical_accuracy", "sparse_top_k_categorical_accuracy",
    "specificity_at_sensitivity", "top_k_categorical_accuracy",
))  # fmt: skip


def find_side(key: str) -> str:
    """Return which of a metric's values its best is."""
    name = re.sub(r"_\d+$", "", key.partition("[")[0].removeprefix("val_"))
    if name == "loss" or name.endswith("_loss") or name in DOWN:
        return "min"
    return "max" if name in UP else "last"


def name_recipe(source: dict[str, Any]) -> str | None:
    argv = source.get("argv") or []
    script = next((word for word in argv if word.endswith((".py", ".sh"))), argv[0] if argv else None)
    name = source.get("name") or source.get("entry") or script
    return None if name is None else str(name)[:300]


def find_variant(spec: dict[str, Any]) -> str:
    source = {name: value for name, value in (spec.get("source") or {}).items() if name != "fixed"}
    if "argv" in source:
        source["argv"] = list(leave_seeds_out(source["argv"]))
    parameters = {
        name: value for name, value in (spec.get("parameters") or {}).items() if not SEEDS.search(name.lower())
    }
    told = json.dumps([source, spec.get("data"), parameters], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def leave_seeds_out(argv: list[str]) -> Iterator[str]:
    skips = False
    for word in argv:
        if skips:
            skips = False
            continue
        option, equals, _ = word.partition("=")
        is_seed = option.startswith("-") and SEEDS.search(option.strip("-").lower().replace("-", "_"))
        if not is_seed:
            yield word
        skips = bool(is_seed and not equals)


def read_parameters(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, value in (spec.get("parameters") or {}).items():
        if value is not None and not (isinstance(value, float) and math.isnan(value)):
            text = value if isinstance(value, str) else json.dumps(value)
            yield key, {"number": read_number(value), "text": text[:MAX_TEXT]}


def read_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return None if isinstance(value, str) and not math.isfinite(number) else number
