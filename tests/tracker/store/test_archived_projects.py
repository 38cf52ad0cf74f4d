"""Archived and deleted projects: what takes no new run, what leaves which lists, and what comes back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from keepbest.contract.projects import ProjectPatch, ProjectRequest
from keepbest.contract.rules import RulesRequest
from keepbest.errors import Conflict, NotFound
from keepbest.query.parser import parse
from keepbest.status import RunState
from tests.support.store import NOW, add_checkpoint, begin, claim, kinds, later, release, submit
from tracker.models import CheckpointTable, SweepTable
from tracker.store import deletions, moves, project_deletions, projects, rules, runs
from tracker.store.search import listing, names, scope
from tracker.store.search.listing import RunSearch

NAME = "team/digits 2"


def change(conn: Connection, **changes: Any) -> None:
    projects.change_project(conn, NAME, ProjectPatch(**changes), user="ada", now=later(5))


def delete(conn: Connection) -> int:
    return project_deletions.delete_project(conn, NAME, user="ada", now=later(9))


def end(conn: Connection, **asked: Any) -> runs.RunRow:
    """Submit a run and take it out of the queue again."""
    run = submit(conn, project=NAME, **asked)
    return runs.move_run(conn, run, RunState.CANCELLED, now=NOW)


def listed(conn: Connection, **how: Any) -> list[str]:
    return [item.name for item in projects.list_projects(conn, search=None, cursor=None, limit=9, **how).projects]


def names_of_runs(conn: Connection, project: str | None = None, q: str = "") -> list[str]:
    search = RunSearch(project, parse(q, NOW), q, sort="created", order="asc")
    return [run.name for run in listing.list_runs(conn, search, cursor=None, limit=9).runs]


def test_an_archived_project_is_in_a_list_of_its_own(conn: Connection) -> None:
    submit(conn, project=NAME)
    submit(conn, project="letters")
    change(conn, is_archived=True, description="done")
    assert (listed(conn), listed(conn, archived=True)) == (["letters"], [NAME])
    shown = projects.get_project(conn, NAME)
    assert (shown.archived_at, shown.description, shown.runs) == (later(5), "done", 1)
    change(conn, is_archived=True, description="again")
    assert projects.get_project(conn, NAME).archived_at == later(5)
    change(conn, is_archived=False)
    assert (listed(conn), projects.get_project(conn, NAME).description) == (["letters", NAME], "again")


def test_an_archived_project_takes_no_new_run(conn: Connection) -> None:
    run, other = submit(conn, project=NAME, key="k"), submit(conn, project="letters")
    change(conn, is_archived=True)
    with pytest.raises(Conflict, match="is archived: it takes no new run") as raised:
        submit(conn, project=NAME)
    assert raised.value.hint == "`keepbest project unarchive 'team/digits 2'` brings it back."
    with pytest.raises(Conflict, match="archived"):
        moves.move_to_project(conn, other, NAME, user="ada", now=NOW)
    assert submit(conn, project=NAME, key="k").id == run.id
    change(conn, is_archived=False)
    assert submit(conn, project=NAME).number == 2


def test_lists_of_all_projects_leave_out_archived_runs(conn: Connection) -> None:
    submit(conn, project=NAME, name="old", tags=["vision"])
    submit(conn, project="letters", name="new")
    submit(conn, project="digits", name="newer")
    change(conn, is_archived=True)
    assert (names_of_runs(conn), names_of_runs(conn, NAME)) == (["new", "newer"], ["old"])
    for q in ("tag = vision", "name ~ old", "state = queued and tag = vision", "params.units = 128", "number < 9"):
        assert "old" not in names_of_runs(conn, q=q), q
        assert names_of_runs(conn, NAME, q) in (["old"], []), q
    assert names_of_runs(conn, NAME, "tag = vision") == ["old"]
    assert names.list_fields(conn, scope.open_scope(conn, None, None)).tags == []
    assert names.list_fields(conn, scope.open_scope(conn, NAME, None)).tags == ["vision"]


def test_a_sweep_that_goes_on_keeps_its_project_open(conn: Connection) -> None:
    run = end(conn)
    values = {"id": "s" * 12, "name": "s", "state": "running", "spec": {}, "created_by": "ada", "created_at": NOW}
    conn.execute(insert(SweepTable).values(project_pk=run.project_pk, **values))
    for act in (lambda: change(conn, is_archived=True), lambda: delete(conn)):
        with pytest.raises(Conflict, match="still makes runs") as raised:
            act()
        assert f"keepbest sweep cancel {'s' * 12}" in str(raised.value.hint)


def test_a_deleted_project_is_nowhere_until_it_comes_back(conn: Connection) -> None:
    ids = [end(conn).id, end(conn).id]
    deletions.delete_run(conn, runs.get_run(conn, ids[0]), user="ada", now=later(1))
    assert delete(conn) == 1
    assert (listed(conn), listed(conn, archived=True), names_of_runs(conn)) == ([], [], [])
    with pytest.raises(NotFound, match="was deleted") as raised:
        projects.get_project(conn, NAME)
    assert raised.value.hint == "`keepbest project rm 'team/digits 2' --undo` brings it back."
    assert project_deletions.list_runs(conn, NAME) == [ids[1]]
    deletions.undelete_run(conn, runs.get_deleted(conn, ids[1]), [], user="ada", now=later(10))
    assert (listed(conn), projects.get_project(conn, NAME).runs) == ([NAME], 1)
    assert {"project.deleted", "run.created"} <= set(kinds(conn))


def test_a_project_without_runs_comes_back(conn: Connection) -> None:
    projects.create_project(conn, ProjectRequest(name=NAME, description="d"), user="ada", now=NOW)
    delete(conn)
    project_deletions.undelete_project(conn, NAME, 0, user="ada", now=later(10))
    assert projects.get_project(conn, NAME).description == "d"
    with pytest.raises(NotFound, match="is not deleted"):
        project_deletions.list_runs(conn, NAME)
    with pytest.raises(NotFound, match="There is no project"):
        project_deletions.list_runs(conn, "other")


def test_a_project_with_a_living_run_is_not_deleted(conn: Connection) -> None:
    run = submit(conn, project=NAME)
    with pytest.raises(Conflict, match=f"Run {run.id} of project {NAME} is queued") as raised:
        delete(conn)
    assert "keepbest ls --project 'team/digits 2'" in str(raised.value.hint)
    release(conn, claim(conn), "finished")
    assert delete(conn) == 1


def test_a_pinned_checkpoint_keeps_its_project(conn: Connection) -> None:
    submit(conn, project=NAME)
    taken = claim(conn)
    id = add_checkpoint(conn, begin(conn, taken), step=1)
    release(conn, taken, "finished")
    conn.execute(update(CheckpointTable).where(CheckpointTable.id == id).values(is_pinned=True))
    with pytest.raises(Conflict, match=f"Checkpoint {id}") as raised:
        delete(conn)
    assert f"--unpin {id}" in str(raised.value.hint)


def test_a_run_begins_a_deleted_project_anew(conn: Connection) -> None:
    end(conn)
    change(conn, description="old", is_archived=True)
    rules.set_rules(conn, NAME, RulesRequest(stopper="patience(3)"), user="ada", now=NOW)
    delete(conn)
    assert rules.find_stopper(conn, NAME) is None
    assert submit(conn, project=NAME).number == 2
    shown = projects.get_project(conn, NAME)
    assert (shown.description, shown.archived_at, shown.runs) == ("", None, 1)
    assert rules.get_rules(conn, NAME).stopper is None
