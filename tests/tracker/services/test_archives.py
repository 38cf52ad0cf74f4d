"""Archives: all of a run goes out and comes in, from one database to another, and nothing else comes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from keepbest.archive.reader import Archive
from keepbest.checkpoint.store import Store
from keepbest.status import Role
from tests.support.api import Api
from tests.support.archived import PROJECT, export, make_full_run, opened, send
from tests.support.states import equal, make_state
from tracker import db, models
from tracker.models import Base
from tracker.store.archives.tables import EVENTS, NOT_OF_A_RUN, OF_PROJECT, OF_RUN

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def here(sqlite_url: str, tmp_path: Path) -> Iterator[Api]:
    yield from make_api(sqlite_url, tmp_path / "here")


@pytest.fixture
def between(postgres_url: str, tmp_path: Path) -> Iterator[Api]:
    yield from make_api(postgres_url, tmp_path / "between")


@pytest.fixture
def there(sqlite_template: Path, tmp_path: Path) -> Iterator[Api]:
    path = tmp_path / "there.db"
    path.write_bytes(sqlite_template.read_bytes())
    yield from make_api(f"sqlite:///{path}", tmp_path / "there")


def make_api(url: str, folder: Path) -> Iterator[Api]:
    engine = db.make_engine(url, busy_seconds=20)
    made = Api(engine, folder)
    yield made
    made.close()
    engine.dispose()


def read(archive: Archive, folder: str) -> Rows:
    """Return the rows of an archive by table, without what the way changes."""
    tables = [table.name for table in (OF_PROJECT if folder == "project" else OF_RUN)]
    rows = {
        name: [json.loads(line) for part in archive.parts(folder, name) for line in part.splitlines()]
        for name in tables
    }
    for row in rows.get("runs", ()):
        row["created_by"] = row["imported_from"] = None
    for name, column in (("commands", "requested_by"), ("artifacts", "user"), ("receipts", "user")):
        for row in rows.get(name, ()):
            row[column] = row[column].removesuffix("@elsewhere")
    if EVENTS in rows:
        rows[EVENTS] = [row for row in rows[EVENTS] if row["kind"] != "run.imported"]
    return rows


def test_every_table_is_archived_or_has_a_reason() -> None:
    archived = [table.name for table in (*OF_RUN, *OF_PROJECT)]
    assert sorted([*archived, *NOT_OF_A_RUN]) == sorted(Base.metadata.tables)


def test_a_run_goes_to_another_database_and_back(here: Api, between: Api, there: Api, tmp_path: Path) -> None:
    run = make_full_run(here, tmp_path / "here")
    first = export(here, f"/archives/projects/{PROJECT}", role=Role.VIEWER)
    told = send(between, first, tmp_path, piece=100_000).get_json()
    assert [(item["id"], item["outcome"], item["checkpoints"], item["artifacts"]) for item in told["runs"]] == [
        (run, "imported", 2, 2)
    ]
    assert told["notes"] == [f"Run {run}: the files of 1 checkpoints lay in another store, and did not come."]
    second = export(between, f"/archives/projects/{PROJECT}")
    assert send(there, second, tmp_path).get_json()["runs"][0]["outcome"] == "imported"
    third = export(there, f"/archives/projects/{PROJECT}")
    archives = [opened(content, tmp_path) for content in (first, second, third)]
    begun, *others = [read(archive, f"runs/{run}") for archive in archives]
    assert [name for name, rows in begun.items() if not rows] == []
    for row in begun["checkpoints"]:  # its files lay in another store
        row["state"] = "dropped" if row["step"] == 50 else row["state"]
    for rows in others:
        for name in begun:
            assert rows[name] == begun[name], name
    assert [read(archive, "project") for archive in archives[1:]] == [read(archives[0], "project")] * 2
    for archive in archives:
        archive.file.close()


def test_the_checkpoints_of_an_imported_run_are_restored(here: Api, there: Api, tmp_path: Path) -> None:
    run = make_full_run(here, tmp_path / "here")
    assert send(there, export(here, f"/archives/runs/{run}"), tmp_path).status_code == 200
    store = Store(tmp_path / "there" / "store")
    for manifest in store.manifests(run):
        loaded = store.load(run, manifest.id)
        assert equal(loaded.arrays, make_state(manifest.step, manifest.step, frozen=1).values)
    listed = there.get(f"/runs/{run}/checkpoints")["checkpoints"]
    assert sorted(item["step"] for item in listed if item["state"] == "durable") == [100, 200]
    assert fetch(there, f"/runs/{run}/artifacts/notes.txt") == b"new"
    assert fetch(there, f"/runs/{run}/artifacts/notes.txt?version=1") == b"old"
    assert fetch(there, f"/runs/{run}/points") == fetch(here, f"/runs/{run}/points")


def fetch(api: Api, path: str) -> bytes:
    with api.call("GET", path) as answer:
        content: bytes = answer.data
    assert answer.status_code == 200
    return content


def test_the_run_belongs_to_who_brings_it(here: Api, there: Api, tmp_path: Path) -> None:
    run = make_full_run(here, tmp_path / "here")
    assert send(there, export(here, f"/archives/runs/{run}"), tmp_path, role=Role.ADMIN).status_code == 200
    shown = there.get(f"/runs/{run}")
    assert (shown["created_by"], shown["imported_from"]["author"]) == ("a admin", "a member")
    assert there.get(f"/runs/{run}/artifacts")["artifacts"][0]["user"] == "a member@elsewhere"
    assert there.get(f"/runs/{run}/commands")["commands"][0]["requested_by"] == "a member@elsewhere"
    assert there.get("/audit", role=Role.ADMIN)["entries"][1]["action"] == "run.import"


def test_the_same_archive_again_changes_nothing(here: Api, there: Api, tmp_path: Path) -> None:
    content = export(here, f"/archives/runs/{make_full_run(here, tmp_path / 'here')}")
    assert send(there, content, tmp_path).status_code == 200
    before = count_rows(there)
    again = send(there, content, tmp_path).get_json()
    assert [item["outcome"] for item in again["runs"]] == ["known"]
    assert count_rows(there) == before


def count_rows(api: Api) -> dict[str, int]:
    with db.read(api.engine) as conn:
        return {
            name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for name, table in Base.metadata.tables.items()
        }


def test_only_the_rest_is_sent_after_a_cut(here: Api, there: Api, tmp_path: Path) -> None:
    content = export(here, f"/archives/runs/{make_full_run(here, tmp_path / 'here')}")
    archive = opened(content, tmp_path)
    archive.file.close()
    place, headers = f"/archives/{archive.digest}", {"Content-Type": "application/octet-stream"}
    assert there.get(place)["received"] == 0
    assert there.call("PUT", f"{place}?at=0", content[:5000], headers=headers).get_json()["received"] == 5000
    assert there.call("PUT", f"{place}?at=0", content, headers=headers).get_json()["received"] == 5000
    assert there.get(place)["received"] == 5000
    assert there.get(place, role=Role.ADMIN)["received"] == 0, "another person's archive is another one"
    assert there.fail("POST", place, {})[0] == 422
    assert there.get(place)["received"] == 0, "a damaged one goes"
    assert send(there, content, tmp_path).status_code == 200


def test_an_import_that_was_killed_goes_on(
    here: Api, there: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_full_run(here, tmp_path / "here")
    content = export(here, f"/archives/runs/{run}")
    from tracker.services.archive_intake import ArchiveIntake

    whole = ArchiveIntake._write
    rehearsals = []

    def killed(self: ArchiveIntake, conn: Any, arrival: Any) -> Any:
        rehearsals.append(arrival)
        if len(rehearsals) == 2:
            raise KeyboardInterrupt
        return whole(self, conn, arrival)

    monkeypatch.setattr(ArchiveIntake, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        send(there, content, tmp_path)
    assert there.fail("GET", f"/runs/{run}")[0] == 404
    monkeypatch.undo()
    assert send(there, content, tmp_path).get_json()["runs"][0]["outcome"] == "imported"
    assert there.get(f"/runs/{run}")["state"] == "finished"


def test_another_run_of_the_same_id_is_refused(here: Api, there: Api, tmp_path: Path) -> None:
    run = make_full_run(here, tmp_path / "here")
    content = export(here, f"/archives/runs/{run}")
    there.wait(60)
    there.post("/runs", {"source": {"kind": "external"}, "id": run, "mode": "min"})
    answer = send(there, content, tmp_path)
    assert answer.status_code == 409
    assert f"There is another run {run} here" in answer.get_json()["error"]["message"]


def test_a_deleted_run_stays_deleted(here: Api, there: Api, tmp_path: Path) -> None:
    run = make_full_run(here, tmp_path / "here")
    content = export(here, f"/archives/runs/{run}")
    assert send(there, content, tmp_path).status_code == 200
    assert there.call("DELETE", f"/runs/{run}").status_code == 204
    answer = send(there, content, tmp_path).get_json()["error"]
    assert answer["hint"] == f"`keepbest rm {run} --undo` brings it back."


def test_a_run_that_goes_on_is_not_archived(here: Api, tmp_path: Path) -> None:
    run = here.post("/runs", {"source": {"kind": "external"}, "mode": "min", "project": "p"})["id"]
    assert here.fail("GET", f"/archives/runs/{run}")[1]["code"] == "conflict"
    archive = opened(export(here, "/archives/projects/p"), tmp_path)
    assert [left.id for left in archive.header.left_out] == [run]
    archive.file.close()


def test_a_project_that_is_there_keeps_its_rules(here: Api, there: Api, tmp_path: Path) -> None:
    make_full_run(here, tmp_path / "here")
    there.post("/projects", {"name": PROJECT, "description": "mine"})
    told = send(there, export(here, f"/archives/projects/{PROJECT}"), tmp_path).get_json()
    assert f"Project {PROJECT} is here already: its description, rules and views stay as they are." in told["notes"]
    assert there.get(f"/projects/{PROJECT}")["description"] == "mine"


def test_who_may_not_write_imports_nothing(here: Api, there: Api, tmp_path: Path) -> None:
    content = export(here, f"/archives/runs/{make_full_run(here, tmp_path / 'here')}")
    archive = opened(content, tmp_path)
    archive.file.close()
    for role in (Role.VIEWER, Role.WORKER):
        assert there.fail("PUT", f"/archives/{archive.digest}?at=0", content, role=role)[0] == 403
        assert there.fail("POST", f"/archives/{archive.digest}", {}, role=role)[0] == 403
    assert there.fail("GET", f"/archives/runs/{'0' * 12}", role=Role.WORKER)[0] == 403
    with db.read(there.engine) as conn:
        assert conn.execute(select(func.count()).select_from(models.RunTable)).scalar_one() == 0
