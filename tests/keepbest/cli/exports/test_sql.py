"""`keepbest sql`: a table, JSON and CSV, from the folder of a service or from an archive, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.store import submit_external
from tracker import db


@pytest.fixture
def asked(keepbest: Keepbest, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Keepbest:
    """The command, where the database has a run."""
    engine = db.make_engine(sqlite_url)
    with db.write(engine) as conn:
        submit_external(conn, name="first", parameters={"rate": 0.5})
        submit_external(conn, name="second")
    engine.dispose()
    monkeypatch.setenv("KEEPBEST_DATABASE_URL", sqlite_url)
    return keepbest


def test_an_answer_is_a_table_or_json_or_csv(asked: Keepbest) -> None:
    question = "SELECT name, state, best_value FROM runs ORDER BY name"
    lines = asked("sql", question).out.splitlines()
    assert [line.split() for line in lines][:2] == [["name", "state", "best_value"], ["first", "queued", "-"]]
    rows = asked("sql", question, "--json").json
    assert rows[0] == {"name": "first", "state": "queued", "best_value": None}
    assert asked("sql", question, "--csv").out == "name,state,best_value\nfirst,queued,\nsecond,queued,\n"


def test_a_limit_is_said(asked: Keepbest) -> None:
    told = asked("sql", "SELECT name FROM runs", "--limit", "1", "--json")
    assert len(told.json) == 1
    assert "There are more rows" in told.err


def test_a_question_that_writes_is_an_error(asked: Keepbest, tmp_path: Path) -> None:
    told = asked("sql", "DELETE FROM main.runs")
    assert told.status == Exit.USAGE
    assert "It may read the views alone" in told.err
    assert asked("sql", "SELECT 1", "--from", tmp_path / "none").status == Exit.NOT_FOUND


def test_without_a_question_the_views_are_listed(asked: Keepbest) -> None:
    assert asked("sql").out.splitlines()[4].startswith("points       run, key, segment, step, value, time")
