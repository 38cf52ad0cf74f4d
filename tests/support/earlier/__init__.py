"""What an earlier version left: a database, a journal and checkpoints of a run in flight, made by commit 7a20c1f.

`script.py` was run with that commit's tracker beside it (`python script.py look first`): somebody ended the
tracker after step 40, and the script ended after step 65. Only what names the machine was taken out.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from sqlalchemy import Engine, MetaData, insert, select, text

from tracker import db

FOLDER = Path(__file__).parent
DATA = FOLDER / "data"
SCRIPT = FOLDER / "script.py"
#: The schema of that commit.
REVISION = "0011"


def copy_home(folder: Path) -> None:
    """Put journals, checkpoints and token where the run left them."""
    for name in ("journals", "store"):
        shutil.copytree(DATA / name, folder / name)
    shutil.copy(DATA / "token", folder / "admin-token")


def fill_database(url: str, folder: Path) -> None:
    """Fill an empty database with the tables and rows of that commit; its store lies in `folder`."""
    sql = (DATA / "tracker.sql").read_text(encoding="utf-8").replace("STORE", str(folder / "store"))
    path = folder / "earlier.db"
    with sqlite3.connect(path) as conn:
        conn.executescript(sql)
    if url.startswith("sqlite"):
        shutil.move(path, url.removeprefix("sqlite:///"))
        return
    db.upgrade(url, REVISION)
    source, target = db.make_engine(f"sqlite:///{path}"), db.make_engine(url)
    copy_rows(source, target)
    source.dispose()
    target.dispose()


def copy_rows(source: Engine, target: Engine) -> None:
    """Copy every row of one database into another of the same schema, and let its sequences go on behind them."""
    tables, copies = MetaData(), MetaData()
    tables.reflect(source)
    copies.reflect(target)
    with db.read(source) as reading, db.write(target) as writing:
        for table in copies.sorted_tables:
            rows = [dict(row) for row in reading.execute(select(tables.tables[table.name])).mappings()]
            if rows and table.name != "alembic_version":
                writing.execute(insert(table), rows)
            for key in table.primary_key:
                if key.autoincrement and key.server_default is not None:
                    name = {"table": table.name, "column": key.name}
                    last = f"SELECT setval(pg_get_serial_sequence(:table, :column), max({key.name})) FROM {table.name}"  # noqa: S608
                    writing.execute(text(last), name)
