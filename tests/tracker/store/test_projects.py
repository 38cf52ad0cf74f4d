"""Projects: made when first named, counted without reading runs."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from keepbest.contract.projects import ProjectRequest
from keepbest.errors import Conflict, InvalidInput, NotFound
from tests.support.store import NOW, claim, later, release, submit
from tracker.store import cursors, deletions, projects


def test_a_run_makes_its_project(conn: Connection) -> None:
    run = submit(conn, project="digits", now=later(3))
    shown = projects.get_project(conn, "digits")
    assert (shown.runs, shown.active, shown.latest_run, shown.updated_at) == (1, 1, run.id, later(3))


def test_counts_leave_out_what_was_deleted_and_what_ended(conn: Connection) -> None:
    for _ in range(3):
        submit(conn, project="p")
    release(conn, claim(conn), "finished")
    deletions.delete_run(conn, submit(conn, project="p"), user="ada", now=NOW)
    shown = projects.get_project(conn, "p")
    assert (shown.runs, shown.active) == (3, 2)


def test_a_name_is_taken_once(conn: Connection) -> None:
    made = projects.create_project(conn, ProjectRequest(name="p", description="d"), user="ada", now=NOW)
    assert (made.name, made.description, made.runs, made.latest_run) == ("p", "d", 0, None)
    with pytest.raises(Conflict, match="already"):
        projects.create_project(conn, ProjectRequest(name="p"), user="ada", now=NOW)
    assert submit(conn, project="p").number == 1


def test_an_unknown_project_names_the_nearest(conn: Connection) -> None:
    with pytest.raises(NotFound) as raised:
        projects.get_project(conn, "digits")
    assert "keepbest submit" in str(raised.value.hint)
    submit(conn, project="digits")
    with pytest.raises(NotFound) as raised:
        projects.get_pk(conn, "diigts")
    assert raised.value.hint == "Did you mean 'digits'?"


def test_pages_go_on_after_the_last_name(conn: Connection) -> None:
    for name in ("c", "a", "b", "A"):
        projects.create_project(conn, ProjectRequest(name=name), user="ada", now=NOW)
    names: list[str] = []
    cursor: str | None = None
    while cursor is not None or not names:
        page = projects.list_projects(conn, search=None, cursor=cursor, limit=1)
        names += [project.name for project in page.projects]
        cursor = page.cursor
    assert sorted(names) == ["A", "a", "b", "c"]


BAD_CURSORS = ["x", *(cursors.write(*parts) for parts in (("runs", ["a"]), ("projects", ["\0"]), ("projects", [None])))]


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_a_cursor_that_is_not_ours_is_refused(conn: Connection, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        projects.list_projects(conn, search=None, cursor=cursor, limit=1)


@pytest.mark.parametrize("search", ["%", "_", "' OR 1=1 --"])
def test_a_search_is_text_and_no_pattern(conn: Connection, search: str) -> None:
    submit(conn, project="plain")
    assert projects.list_projects(conn, search=search, cursor=None, limit=9).projects == []
    assert len(projects.list_projects(conn, search="LAI", cursor=None, limit=9).projects) == 1
