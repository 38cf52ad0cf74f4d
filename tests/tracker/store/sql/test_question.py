"""Questions in SQL on both databases and on an archive: the same answers, and nothing but the views is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import Busy, InvalidInput, NotFound, SchemaMismatch
from tests.support.api import Api
from tests.support.archived import export, make_full_run
from tracker import db
from tracker.store.sql import question
from tracker.store.sql.sources import open_source
from tracker.store.sql.views import VIEWS


@pytest.fixture
def run(api: Api, tmp_path: Path) -> str:
    return make_full_run(api, tmp_path)


def ask(statement: str, url: str, archive: Path | None = None, seconds: float = 60.0) -> list[Any]:
    if archive is None:
        return _read(statement, url, None, seconds)
    with archive.open("rb") as file:
        return _read(statement, url, file, seconds)


def _read(statement: str, url: str, file: Any, seconds: float) -> list[Any]:
    with question.asked(statement, open_source(url, file), seconds=seconds) as answer:
        return [tuple(row) for row in answer.rows]


QUESTIONS = {
    "runs": "SELECT id, project, state, name, step, best_value, created_at FROM runs",
    "params": "SELECT run, key, value, type FROM params ORDER BY key",
    "metrics": "SELECT run, key, count, last_value, max_step FROM metrics ORDER BY key",
    "points": "SELECT key, count(*), sum(step), avg(value), max(time) FROM points WHERE key = 'loss' GROUP BY key",
    "odd points": "SELECT step, value FROM points WHERE key = 'odd' ORDER BY step",
    "validations": "SELECT run, step, epoch, value, stop, improved FROM validations",
    "checkpoints": "SELECT step, kind, value, is_pinned, is_best FROM checkpoints ORDER BY step",
    "events": "SELECT DISTINCT kind FROM events WHERE run IS NOT NULL ORDER BY kind",
    "joined": "WITH top AS (SELECT run, max(value) AS v FROM points GROUP BY run)"
    " SELECT r.name, v FROM top JOIN runs r ON r.id = run",
}


def test_the_views_answer_alike_everywhere(api: Api, run: str, database_url: str, tmp_path: Path) -> None:
    archive = tmp_path / "run.keepbest"
    archive.write_bytes(export(api, f"/archives/runs/{run}"))
    for name, statement in QUESTIONS.items():
        assert ask(statement, database_url) == (rows := ask(statement, "sqlite:///nowhere", archive)), name
        assert rows, name
    assert ask(QUESTIONS["odd points"], database_url) == [(1, "NaN"), (2, float("inf")), (3, 0.0)]
    ((_, count, steps, mean, _),) = ask(QUESTIONS["points"], database_url)
    assert (count, steps) == (3000, 3000 * 3001 // 2)
    assert mean == pytest.approx(sum(step / 7 for step in range(3000)) / 3000)
    assert ask("SELECT key, value FROM params ORDER BY key", database_url) == [("name", "ä"), ("width", 3)]


def test_every_view_has_columns() -> None:
    columns = question.list_columns()
    assert list(columns) == list(VIEWS)
    assert columns["points"] == ["run", "key", "segment", "step", "value", "time"]


@pytest.fixture
def file(sqlite_url: str) -> Iterator[str]:
    """A database whose rows are the same afterwards."""
    path = sqlite_url.removeprefix("sqlite:///")
    before = dump(path)
    yield sqlite_url
    assert dump(path) == before


def dump(path: str) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return "\n".join(connection.iterdump())


REFUSED = {
    "DELETE FROM runs": "cannot modify",
    "DELETE FROM main.runs": "views alone",
    "UPDATE main.users SET role = 'admin'": "no such table",
    "INSERT INTO main.projects (name) VALUES ('x')": "views alone",
    "DROP TABLE main.runs": "views alone",
    "CREATE TABLE main.x (y)": "views alone",
    "PRAGMA writable_schema = 1": "views alone",
    "ATTACH '/etc/passwd' AS x": "views alone",
    "VACUUM INTO '/tmp/x'": "views alone",
    "BEGIN": "views alone",
    "SELECT digest FROM credentials": "no such table",
    "SELECT lease_digest FROM main.runs": "views alone",
    "SELECT * FROM main.runs": "views alone",
    "SELECT sql FROM sqlite_master": "views alone",
    "SELECT name FROM pragma_table_list": "views alone",
    "SELECT load_extension('x')": "views alone",
    "SELECT 1; DROP TABLE runs": "one statement",
    "SELECT i FROM numbers": "views alone",
    "REPLACE INTO main.runs SELECT * FROM main.runs": "views alone",
    "WITH x AS (SELECT 1) DELETE FROM main.runs": "views alone",
    "EXPLAIN DELETE FROM main.runs": "views alone",
    "SELECT colour FROM runs": "no such column",
    "hello": "syntax error",
    "": "no SELECT",
    "-- nothing": "no SELECT",
}


@pytest.mark.parametrize("statement", REFUSED, ids=lambda text: text[:40] or "empty")
def test_all_but_reading_views_is_refused(file: str, statement: str) -> None:
    with pytest.raises(InvalidInput, match=REFUSED[statement]):
        ask(statement, file)


def test_a_question_has_a_limit_of_time(file: str) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(Busy, match=r"took longer than 0\.1 s"):
        ask(endless, file, seconds=0.1)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no database"):
        ask("SELECT 1", f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"text" * 1000)
    with pytest.raises(InvalidInput, match="is no database of keepbest"):
        ask("SELECT 1", f"sqlite:///{tmp_path / 'a.db'}")
    with sqlite3.connect(tmp_path / "b.db") as other:
        other.execute("CREATE TABLE alembic_version (version_num TEXT)")
    other.close()
    with pytest.raises(SchemaMismatch, match="no keepbest schema"):
        ask("SELECT 1", f"sqlite:///{tmp_path / 'b.db'}")


def test_a_deleted_run_is_in_no_view(api: Api, run: str, database_url: str) -> None:
    assert api.call("DELETE", f"/runs/{run}").status_code == 204
    for view in set(VIEWS) - {"events"}:
        assert ask(f"SELECT count(*) FROM {view}", database_url) == [(0,)], view  # noqa: S608  a name of our own


def test_it_reads_while_somebody_writes(api: Api, run: str, database_url: str) -> None:
    with db.write(api.engine):
        assert ask("SELECT count(*) FROM runs", database_url) == [(1,)]
