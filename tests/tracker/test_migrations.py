"""The schema: up, checked against the models, down again, on both databases; and databases of another age."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData, insert, inspect, select, text, update

from keepbest.errors import SchemaMismatch
from tests.support.environment import clean_environment
from tests.support.processes import PATIENCE, ROOT
from tests.support.store import NOW, submit
from tracker import db, models
from tracker.models import Base, RungTable, RunTable, SweepTable, TrialTable
from tracker.store import queue, runs
from tracker.store.metrics import metrics
from tracker.store.metrics.chunks import PointColumns
from tracker.store.metrics.metrics import Column

SWEEP = {"id": "0" * 12, "name": "s", "state": "running", "spec": {}, "created_by": "ada", "created_at": NOW}
#: What 0017 renamed.
TABLES = {
    "looks": "validations",
    "look_examples": "validation_examples",
    "evaluations": "test_results",
    "rulings": "rule_progress",
}
COLUMNS = {
    ("runs", "looks"): "validations",
    ("runs", "last_look_step"): "last_validation_step",
    ("rulings", "looks"): "validations",
}
TEST = {"step": 200, "n": 10, "values": {"accuracy": 0.9}}


def tables(url: str) -> set[str]:
    engine = db.make_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_up_check_down_and_up_again(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    db.check_models(empty_database_url)  # raises when a model was edited without a revision
    assert tables(empty_database_url) == {*Base.metadata.tables, "alembic_version"}
    db.downgrade(empty_database_url, "base")
    assert tables(empty_database_url) == {"alembic_version"}
    db.upgrade(empty_database_url)
    db.upgrade(empty_database_url)
    assert tables(empty_database_url) == {*Base.metadata.tables, "alembic_version"}


def test_names_of_constraints_and_indexes_are_the_models(engine: Engine) -> None:
    """Without its name a constraint cannot be changed by a later revision."""
    found = inspect(engine)
    for name, table in Base.metadata.tables.items():
        assert {index["name"] for index in found.get_indexes(name) if "duplicates_constraint" not in index} == {
            index.name for index in table.indexes
        }
        wanted = {str(key.name) for key in table.foreign_key_constraints}
        assert {key["name"] for key in found.get_foreign_keys(name)} == wanted


def test_the_revision_that_the_code_expects_is_the_newest() -> None:
    files = sorted(path.name.split("_")[0] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    assert files[-1] == db.REVISION


def test_a_fresh_schema_is_accepted(engine: Engine) -> None:
    db.check_schema(engine)


def test_an_empty_database_is_refused_with_the_command_to_run(empty_database_url: str) -> None:
    engine = db.make_engine(empty_database_url)
    with pytest.raises(SchemaMismatch) as raised:
        db.check_schema(engine)
    engine.dispose()
    assert db.UPGRADE_COMMAND in str(raised.value.hint)


AGES = [("0000", "Back up the database, then run"), ("9999", "A newer keepbest made it")]


@pytest.mark.parametrize(("revision", "hint"), AGES)
def test_a_database_of_another_age_is_refused(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, revision: str, hint: str
) -> None:
    monkeypatch.setattr(db, "_known_revisions", lambda: {"0000", db.REVISION})
    with db.write(engine) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with pytest.raises(SchemaMismatch, match=f"schema {revision}") as raised:
        db.check_schema(engine)
    assert hint in str(raised.value.hint)


def test_deleting_a_run_takes_all_that_hangs_on_it(conn: Connection) -> None:
    """SQLite enforces foreign keys only where each connection asks for it."""
    run = submit(conn)
    conn.execute(text("INSERT INTO writers (run_pk, id, last_number, heard_at) VALUES (:pk, 'w', 1, '2026-01-01')"), {
        "pk": run.pk
    })  # fmt: skip
    conn.execute(RunTable.__table__.delete().where(RunTable.pk == run.pk))  # type: ignore[attr-defined]
    assert conn.execute(text("SELECT count(*) FROM writers")).scalar() == 0


def test_every_row_of_0011_is_there_as_it_was(empty_database_url: str) -> None:
    """SQLite makes a table anew to change it, and deletes the old one: what refers to its rows could go with them."""
    db.upgrade(empty_database_url, "0011")
    before = fill(empty_database_url)
    db.upgrade(empty_database_url)
    after = read_all(empty_database_url)
    for name, rows in before.items():
        columns = {column: COLUMNS.get((name, column), column) for column in rows[0]}
        present = after[TABLES.get(name, name)]
        assert [{column: row[now] for column, now in columns.items()} for row in present] == rows
    assert {(row["withdraws"], row["is_withdrawn"], row["value"]) for row in after["validations"]} == {
        (False, False, 1 / 3),
        (False, False, 2 / 3),
    }


def fill(url: str) -> dict[str, list[dict[str, Any]]]:
    """Put two rows into each table, with a value in each column; return what is there then."""
    engine, found = db.make_engine(url), MetaData()
    found.reflect(engine)
    with db.write(engine) as conn:
        for table in found.sorted_tables:
            if table.name != "alembic_version":
                rows = [{column.name: make_value(column, number) for column in table.columns} for number in (1, 2)]
                conn.execute(insert(table), rows)
    engine.dispose()
    return {name: rows for name, rows in read_all(url).items() if name != "alembic_version"}


def make_value(column: sa.Column[Any], number: int) -> Any:
    """Return the value of the `number`-th row; a key is that number, and so refers to the same rows of others."""
    if column.name == "role":  # one of those there are
        return "member"
    kinds = {datetime: NOW, object: {"of": [number]}, bytes: b"\0" * number, bool: True, str: str(number)}
    return {**kinds, int: number, float: number / 3}[column.type.python_type]


def read_all(url: str) -> dict[str, list[dict[str, Any]]]:
    engine, found = db.make_engine(url), MetaData()
    found.reflect(engine)
    with db.read(engine) as conn:
        every = {table.name: select(table).order_by(*table.primary_key) for table in found.sorted_tables}
        rows = {name: [dict(row) for row in conn.execute(asked).mappings()] for name, asked in every.items()}
    engine.dispose()
    return rows


def test_events_of_validations_have_their_present_name(empty_database_url: str) -> None:
    db.upgrade(empty_database_url, "0016")
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        conn.execute(text("INSERT INTO events (kind, data, at) VALUES ('run.look', '{}', '2026-01-01')"))
    db.upgrade(empty_database_url)
    with db.read(engine) as conn:
        assert conn.execute(text("SELECT kind FROM events")).scalars().all() == ["run.validation"]
    engine.dispose()


def test_what_the_test_set_said_before_0006_is_kept(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        tested, _ = submit(conn), submit(conn)
        said = {"test": TEST, "ended_at": NOW, "attempt": 2, "worker_name": "mill"}
        conn.execute(update(RunTable).where(RunTable.pk == tested.pk).values(**said))
    engine.dispose()
    db.downgrade(empty_database_url, "0005")
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.read(engine) as conn:
        rows = conn.execute(
            select(
                models.TestResultTable.run_pk,
                models.TestResultTable.attempt,
                models.TestResultTable.test,
                models.TestResultTable.at,
            )
        ).all()
    engine.dispose()
    assert rows == [(tested.pk, 2, TEST, NOW)]


def test_what_was_selected_before_0010_is_compared_by_its_value(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        first, _ = submit(conn), submit(conn)
        made = {"value": 0.1 + 0.2, "step": 70, "trials": [{}, {}]}
        conn.execute(update(RunTable).where(RunTable.pk == first.pk).values(selection=made))
    engine.dispose()
    db.downgrade(empty_database_url, "0009")
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.read(engine) as conn:
        columns = (RunTable.selected_value, RunTable.selected_step, RunTable.averages_tried)
        rows = [tuple(row) for row in conn.execute(select(*columns).order_by(RunTable.pk))]
    engine.dispose()
    assert rows == [(0.1 + 0.2, 70, 2), (None, None, 0)]


def test_runs_and_rungs_before_0011_know_their_sweep(empty_database_url: str) -> None:
    """One run passed rung 2 on its way to 3: it stands there too."""
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        first, second, alone = submit(conn), submit(conn), submit(conn)
        conn.execute(insert(SweepTable).values(**SWEEP, project_pk=first.project_pk))
        pk = conn.execute(select(SweepTable.pk)).scalar_one()
        for number, run in enumerate((first, second), 1):
            conn.execute(insert(TrialTable).values(sweep_pk=pk, number=number, run_pk=run.pk, parameters={}))
        marks = [{"run_pk": first.pk, "rung": rung, "step": rung, "reached_at": NOW} for rung in (1, 3)]
        conn.execute(insert(RungTable), marks)
    engine.dispose()
    db.downgrade(empty_database_url, "0010")
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.read(engine) as conn:
        found = conn.execute(select(RunTable.pk, RunTable.sweep_pk, RunTable.top_rung).order_by(RunTable.pk)).all()
        stood = conn.execute(select(RungTable.rung, RungTable.sweep_pk, RungTable.since).order_by(RungTable.rung)).all()
    engine.dispose()
    assert [tuple(row) for row in found] == [(first.pk, pk, 3), (second.pk, pk, 0), (alone.pk, None, 0)]
    assert [tuple(row) for row in stood] == [(1, pk, 1), (3, pk, 2)]


def test_runs_before_0018_are_found_as_new_ones_are(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        external: Any = {
            "source": {"kind": "external"},
            "parameters": {"rate": 0.1, "seed": 3, "name": "7", "none": None},
        }
        run = submit(conn, **external, tags=["a", "team=red", "a"], monitor="score")
        conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(best_value=0.9, best_step=4))
        run = runs.get_by_pk(conn, run.pk)
        for key, values in (("score", [0.5, 0.2]), ("loss", [0.5, 0.2, 0.4]), ("odd", [1.0, float("nan")])):
            points = PointColumns(np.arange(len(values)), np.array(values), np.arange(float(len(values))))
            metrics.add_columns(conn, run, [Column(0, key, points)], newest=True)
    engine.dispose()
    before = read_all(empty_database_url)
    db.downgrade(empty_database_url, "0017")
    db.upgrade(empty_database_url)
    after = read_all(empty_database_url)
    assert {row["key"]: row["best_value"] for row in after["metric_summaries"]} == {
        "score": 0.9, "loss": 0.2, "odd": None
    }  # fmt: skip
    for name in ("runs", "metric_summaries", "run_parameters", "run_tags"):
        assert [repr(row) for row in after[name]] == [
            repr({key: row[key] for key in after[name][0]} | _lost(name)) for row in before[name]
        ]
    assert [(row["key"], row["number"], row["text"]) for row in after["run_parameters"]] == [
        ("name", 7.0, "7"), ("rate", 0.1, "0.1"), ("seed", 3.0, "3")
    ]  # fmt: skip


def _lost(table: str) -> dict[str, None]:
    """Return what the way down drops and the way up cannot know."""
    return {"last_time": None} if table == "metric_summaries" else {}


VALUES: list[Any] = [float("nan"), float("inf"), float("-inf"), 0.1 + 0.2, 5e-324, 1.7976931348623157e308]


def test_runs_before_0023_wait_in_the_order_they_came(empty_database_url: str) -> None:
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        ids = [submit(conn).id for _ in range(3)]
    engine.dispose()
    db.downgrade(empty_database_url, "0022")
    db.upgrade(empty_database_url)
    engine = db.make_engine(empty_database_url)
    with db.write(engine) as conn:
        ids.append(submit(conn).id)
        assert [run.id for run in queue.list_queue(conn, 10).runs] == ids
    engine.dispose()
    places = [row["queue_place"] for row in read_all(empty_database_url)["runs"]]
    assert places == [row["pk"] for row in read_all(empty_database_url)["runs"]]


@pytest.mark.parametrize("value", VALUES)
def test_every_float_comes_back_to_the_last_bit(conn: Connection, value: float) -> None:
    run = submit(conn)
    conn.execute(update(RunTable).where(RunTable.pk == run.pk).values(last_value=value))
    back = conn.execute(RunTable.__table__.select()).one().last_value
    assert value.hex() == back.hex()


@pytest.mark.parametrize("verb", ["upgrade", "check"])
def test_the_command_works_in_a_process_of_its_own(empty_database_url: str, verb: str, tmp_path: Path) -> None:
    variables = clean_environment(KEEPBEST_DATABASE_URL=empty_database_url, PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "tracker.db", verb]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    if verb == "upgrade":
        assert (done.returncode, done.stdout) == (0, f"The database has schema {db.REVISION}.\n"), done.stderr
    else:
        assert done.returncode == 1
        assert db.UPGRADE_COMMAND in done.stderr


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the houses as a wheel lays them down."""
    site = tmp_path / "site"
    for house in ("keepbest", "tracker", "migrations"):
        skipped = shutil.ignore_patterns("__pycache__", "webui_dist")
        shutil.copytree(ROOT / house, site / house, ignore=skipped)
    return site


def run(site: Path, home: Path, *arguments: str) -> str:
    """Run `python -m tracker.db` of the copy in the folder `home`; return what it printed."""
    variables = clean_environment(KEEPBEST_DIR=str(home / "data"), PYTHONPATH=str(site))
    command = [sys.executable, "-P", "-m", "tracker.db", *arguments]
    done = subprocess.run(command, cwd=home, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_revisions_run_from_an_installed_copy(installed: Path, tmp_path: Path) -> None:
    """A wheel has no alembic.ini, and the user's own folder may hold a `migrations` of its own."""
    home = tmp_path / "home"
    (home / "migrations").mkdir(parents=True)
    (home / "migrations" / "__init__.py").write_text("raise SystemExit('the wrong migrations')")
    run(installed, home, "upgrade")
    assert (home / "data" / "tracker.db").exists()


def test_a_new_column_becomes_a_new_revision(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    run(installed, home, "upgrade")
    models = installed / "tracker" / "models" / "runs.py"
    column = '    __tablename__ = "writers"\n    mood: Mapped[dict[str, Any] | None]\n'
    models.write_text(models.read_text().replace('    __tablename__ = "writers"\n', column))
    run(installed, home, "revision", "Writers have moods")
    number = f"{int(db.REVISION) + 1:04}"
    written = (installed / "migrations" / "versions" / f"{number}_writers_have_moods.py").read_text()
    assert 'sa.Column("mood"' in written.replace("'", '"')
    assert "import tracker" not in written
    db_file = installed / "tracker" / "db.py"
    db_file.write_text(db_file.read_text().replace(f'REVISION = "{db.REVISION}"', f'REVISION = "{number}"'))
    assert run(installed, home, "upgrade") == f"The database has schema {number}.\n"
