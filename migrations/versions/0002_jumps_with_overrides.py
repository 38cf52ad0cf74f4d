"""What is changed when a run goes back, is forked or goes on after its end; what its trainer holds in memory.

Revision 0002, after 0001. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
COLUMNS: dict[str, dict[str, Any]] = {
    "runs": {
        "attempts_before": sa.Integer(),
        "max_steps": sa.BigInteger(),
        "start_checkpoint": sa.String(12),
        "start_overrides": DOCUMENT,
        "memory": DOCUMENT,
    },
    "segments": {"overrides": DOCUMENT},
}
#: Of rows that were there before; without one a column may be null.
DEFAULTS = {"attempts_before": sa.text("0")}
START = ("ix_runs_start_checkpoint", "runs", ["start_checkpoint"])


def upgrade() -> None:
    for table, columns in COLUMNS.items():
        for name, kind in columns.items():
            default = DEFAULTS.get(name)
            op.add_column(table, sa.Column(name, kind, nullable=default is None, server_default=default))
    op.create_index(*START)


def downgrade() -> None:
    name, table, _ = START
    op.drop_index(name, table)
    for table, columns in COLUMNS.items():
        for name in columns:
            op.drop_column(table, name)
