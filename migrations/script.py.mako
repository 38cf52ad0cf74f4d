"""${message}

Revision ${up_revision}, after ${down_revision or "nothing"}.

Before you commit:
- Old code runs against the new schema during an upgrade: first add, ship, then remove in a later revision.
- A new column is nullable or has a server default. Large tables: no default computed per row, no rewrite.
- Postgres: an index on a big table needs `postgresql_concurrently=True` outside the transaction.
- Import nothing from tracker: a revision must mean the same next year.
- Set tracker.db.REVISION to ${repr(up_revision)}; tests run upgrade, check and downgrade on both databases.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
