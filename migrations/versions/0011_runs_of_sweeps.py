"""Of which sweep a run and its pauses are, beside what the scheduler asks of all of them each second, in an index.

Revision 0011, after 0010. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IN_SWEEP = sa.text("sweep_pk IS NOT NULL")
ZERO, ONE = sa.text("0"), sa.text("1")
OF_RUNS = ["sweep_pk", "deleted_at", "state", "stop_reason", "top_rung", "best_value"]
OF_RUNGS = ["sweep_pk", "rung", "promoted_at", "value", "run_pk", "since"]
COPIES = (
    "UPDATE runs SET sweep_pk = (SELECT trials.sweep_pk FROM trials WHERE trials.run_pk = runs.pk)",
    "UPDATE rungs SET sweep_pk = (SELECT trials.sweep_pk FROM trials WHERE trials.run_pk = rungs.run_pk)",
    "UPDATE runs SET top_rung = (SELECT max(rung) FROM rungs WHERE run_pk = runs.pk)"
    " WHERE pk IN (SELECT run_pk FROM rungs)",
    "UPDATE rungs SET since = 1 + coalesce((SELECT max(lower.rung) FROM rungs AS lower"
    " WHERE lower.run_pk = rungs.run_pk AND lower.rung < rungs.rung), 0)",
)


def upgrade() -> None:
    op.add_column("runs", sa.Column("sweep_pk", BIG, nullable=True))
    op.add_column("runs", sa.Column("top_rung", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("rungs", sa.Column("sweep_pk", BIG, nullable=True))
    op.add_column("rungs", sa.Column("since", sa.Integer(), server_default=ONE, nullable=False))
    for copy in COPIES:
        op.execute(copy)
    op.create_index("ix_runs_of_sweep", "runs", OF_RUNS, sqlite_where=IN_SWEEP, postgresql_where=IN_SWEEP)
    op.create_index("ix_rungs_of_sweep", "rungs", OF_RUNGS)


def downgrade() -> None:
    op.drop_index("ix_rungs_of_sweep", "rungs")
    op.drop_index("ix_runs_of_sweep", "runs")
    op.drop_column("rungs", "since")
    op.drop_column("rungs", "sweep_pk")
    op.drop_column("runs", "top_rung")
    op.drop_column("runs", "sweep_pk")
