"""The value that a run's selector chose, beside its best, so that sweeps compare what a restore gives.

Revision 0010, after 0009. Imports nothing from tracker: a revision must mean the same next year.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
RUNS = sa.table(
    "runs",
    sa.column("pk", sa.BigInteger()),
    sa.column("selection", DOCUMENT),
    sa.column("selected_value", sa.Float(53)),
    sa.column("selected_step", sa.BigInteger()),
    sa.column("averages_tried", sa.Integer()),
)


def upgrade() -> None:
    op.add_column("runs", sa.Column("selected_value", sa.Float(53), nullable=True))
    op.add_column("runs", sa.Column("selected_step", sa.BigInteger(), nullable=True))
    op.add_column("runs", sa.Column("averages_tried", sa.Integer(), server_default=sa.text("0"), nullable=False))
    _copy_selections(op.get_bind())


def downgrade() -> None:
    op.drop_column("runs", "averages_tried")
    op.drop_column("runs", "selected_step")
    op.drop_column("runs", "selected_value")


def _copy_selections(conn: sa.Connection) -> None:
    """Read by Python, whose numbers are the same to the last bit on both databases."""
    made = conn.execute(sa.select(RUNS.c.pk, RUNS.c.selection).where(RUNS.c.selection.is_not(None))).all()
    for pk, selection in made:
        if selection is not None:
            known = {"selected_value": selection["value"], "selected_step": selection["step"]}
            tried = len(selection.get("trials") or [])
            conn.execute(RUNS.update().where(RUNS.c.pk == pk).values(**known, averages_tried=tried))
