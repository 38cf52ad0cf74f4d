"""What checkpoints take by project and kind, the trash, and a project's description."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from keepbest.status import Role
from tests.support.api import Api
from tests.support.store import NOW, add_checkpoint, submit
from tracker import db
from tracker.models import CheckpointTable, RunTable


@pytest.fixture
def ids(api: Api) -> list[str]:
    """Two runs of two projects with checkpoints of 10 bytes; the second run has two, of which one is pinned."""
    with db.write(api.engine) as conn:
        runs = [submit(conn, project=project) for project in ("digits", "letters")]
        made = [add_checkpoint(conn, run, step=step) for run, step in ((runs[0], 1), (runs[1], 1), (runs[1], 2))]
        conn.execute(update(CheckpointTable).where(CheckpointTable.id == made[-1]).values(is_pinned=True))
    return [run.id for run in runs]


def delete(api: Api, run: str, hours_ago: float) -> None:
    with db.write(api.engine) as conn:
        at = NOW - timedelta(hours=hours_ago)
        conn.execute(update(RunTable).where(RunTable.id == run).values(deleted_at=at))


def test_storage_is_summed_by_project_and_kind(api: Api, ids: list[str]) -> None:
    delete(api, ids[0], 1)
    answer = api.get("/storage", role=Role.VIEWER)
    usual = {"kind": "best", "pinned_bytes": 0, "deleted_bytes": 0}
    letters = {**usual, "project": "letters", "checkpoints": 2, "bytes": 20, "pinned_bytes": 10}
    assert answer["rows"] == [
        letters,
        {**usual, "project": "digits", "checkpoints": 1, "bytes": 10, "deleted_bytes": 10},
    ]
    assert answer["bytes"] == 30


def test_dropped_checkpoints_take_nothing(api: Api, ids: list[str]) -> None:
    with db.write(api.engine) as conn:
        conn.execute(update(CheckpointTable).values(state="dropped"))
    assert api.get("/storage")["rows"] == []


def test_the_trash_is_paged_the_last_deleted_first(api: Api, ids: list[str]) -> None:
    assert api.get("/trash")["runs"] == []
    delete(api, ids[0], 2)
    delete(api, ids[1], 1)
    first = api.get("/trash?limit=1", role=Role.VIEWER)
    (run,) = first["runs"]
    known: dict[str, Any] = {"id": ids[1], "project": "letters", "number": 1, "bytes": 20}
    assert {name: run[name] for name in known} == known
    assert run["files_until"] > run["deleted_at"]
    second = api.get(f"/trash?limit=1&cursor={first['cursor']}")
    assert ([run["id"] for run in second["runs"]], second["cursor"]) == ([ids[0]], None)


def test_runs_deleted_at_once_are_on_one_page_each(api: Api, ids: list[str]) -> None:
    for id in ids:
        delete(api, id, 1)
    first = api.get("/trash?limit=1")
    second = api.get(f"/trash?limit=1&cursor={first['cursor']}")
    assert [run["id"] for page in (first, second) for run in page["runs"]] == ids[::-1]


def test_a_project_is_described_and_the_change_audited(api: Api, ids: list[str]) -> None:
    changed = api.call("PATCH", "/projects/letters", {"description": "Handwriting"}).get_json()
    assert (changed["description"], changed["runs"]) == ("Handwriting", 1)
    entry = api.get("/audit", role=Role.ADMIN)["entries"][0]
    assert (entry["action"], entry["target"]) == ("project.change", "letters")
    status, error = api.fail("PATCH", "/projects/leters", {"description": ""})
    assert (status, "letters" in error["hint"]) == (404, True)
