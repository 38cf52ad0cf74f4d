"""Words of the field: a look is a validation, what the test set says is a test result.

Revision 0017, after 0016. Imports nothing from tracker: a revision must mean the same next year. Constraints and
indexes are named after their tables and renamed with them: on Postgres one by one, on SQLite by the table's own SQL.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLES = {
    "looks": "validations",
    "look_examples": "validation_examples",
    "evaluations": "test_results",
    "rulings": "rule_progress",
}
COLUMNS = {
    "runs": {"looks": "validations", "last_look_step": "last_validation_step"},
    "rulings": {"looks": "validations"},
}
EVENTS = {"run.look": "run.validation"}


def upgrade() -> None:
    for table, names in COLUMNS.items():
        for old, new in names.items():
            op.alter_column(table, old, new_column_name=new)
    for old, new in TABLES.items():
        rename_table(old, new)
    rename_events(EVENTS)


def downgrade() -> None:
    rename_events({new: old for old, new in EVENTS.items()})
    for old, new in TABLES.items():
        rename_table(new, old)
    for table, names in COLUMNS.items():
        for old, new in names.items():
            op.alter_column(table, new, new_column_name=old)


def rename_events(kinds: dict[str, str]) -> None:
    events = sa.table("events", sa.column("kind", sa.String))
    for old, new in kinds.items():
        op.execute(sa.update(events).where(events.c.kind == old).values(kind=new))


def rename_table(old: str, new: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        make_again(old, new)
    else:
        op.rename_table(old, new)
        rename_parts(old, new)


def rename_parts(old: str, new: str) -> None:
    """Rename the constraints, indexes and sequence of a table of Postgres that was renamed."""
    conn = op.get_bind()
    constraints = sa.text("SELECT conname FROM pg_constraint WHERE conrelid = CAST(:name AS regclass)")
    for (name,) in conn.execute(constraints, {"name": new}).all():
        if (other := renamed(name, old, new)) != name:
            op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {name} TO {other}")
    indexes = sa.text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :name")
    for (name,) in conn.execute(indexes, {"name": new}).all():
        if (other := renamed(name, old, new)) != name:
            op.execute(f"ALTER INDEX {name} RENAME TO {other}")
    op.execute(f"ALTER SEQUENCE IF EXISTS {old}_pk_seq RENAME TO {new}_pk_seq")


def make_again(old: str, new: str) -> None:
    """Make a table of SQLite under its new name, fill it, remove the old one: nobody can change names in its SQL."""
    conn = op.get_bind()
    parts = sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL ORDER BY type = 'index'")
    table, *indexes = [sql for (sql,) in conn.execute(parts, {"name": old}).all()]
    for sql in indexes:
        op.execute(f"DROP INDEX {re.split(r'[ ]+', sql)[2 if sql.startswith('CREATE INDEX') else 3]}")
    op.execute(sa.text(renamed(table, old, new).replace(":", r"\:")))
    op.execute(f"INSERT INTO {new} SELECT * FROM {old}")  # noqa: S608 names of tables, from above
    op.execute(f"DROP TABLE {old}")
    for sql in indexes:
        op.execute(renamed(sql, old, new))


def renamed(text: str, old: str, new: str) -> str:
    """Return a text with the table's name replaced, alone or inside names such as `uq_looks_run_pk_segment_step`."""
    return re.sub(rf"(?<![a-z]){old}(?![a-z])", new, text)
