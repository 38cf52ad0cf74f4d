"""A run that has something in every table of an archive, its files in the tracker's store, and archives of it."""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from keepbest.archive import reader, writer
from keepbest.archive.reader import Archive
from keepbest.archive.writer import Member
from keepbest.checkpoint.store import Store
from keepbest.contract.base import iso
from keepbest.status import Role
from tests.support.api import Api
from tests.support.states import about, make_state
from tests.support.store import NOW
from tests.support.trainer import Trainer, start_external
from tracker import db, models

PROJECT = "digits"
VIEW = {"name": "best first", "document": {"sort": "best"}, "is_private": False}


def make_full_run(api: Api, folder: Path) -> str:
    """Return the id of an ended run; `folder` is that of the tracker."""
    bundle = api.call("POST", "/bundles", make_zip(), headers={"Content-Type": "application/zip"}).get_json()["digest"]
    api.post("/projects", {"name": PROJECT, "description": "the archive's"})
    api.post(f"/views/{PROJECT}", VIEW)
    assert api.call("PUT", f"/rules/{PROJECT}", {"stopper": "patience(10)"}).status_code == 200
    trainer = start_external(api, project=PROJECT, tags=["old"], parameters={"width": 3, "name": "ä"}, notes="n")
    say_all(api, trainer, folder)
    with db.write(api.engine) as conn:
        pk, project = conn.execute(select(models.RunTable.pk, models.RunTable.project_pk)).one()
        add_rows(conn, pk, project, bundle)
    api.post(f"/leases/{trainer.run}/release", {"outcome": "finished"}, lease=trainer.lease, role=Role.WORKER)
    return trainer.run


def say_all(api: Api, trainer: Trainer, folder: Path) -> None:
    """Report validations, points, checkpoints, artifacts, a panel, output, a test result, provenance, a command."""
    store = Store(folder / "store")
    points = [write_checkpoint(api, trainer, store, step) for step in (100, 200)]
    kept = [{**trainer.checkpoint(point["step"], point["value"]), **point} for point in points]
    elsewhere = trainer.checkpoint(50, 0.1)
    trainer.log("loss", range(1, 3001), [step / 7 for step in range(3000)])
    trainer.log("odd", [1, 2, 3], ["NaN", "Infinity", -0.0])
    histogram = {"name": "l1", "shape": [4], "edges": [0.0, 1.0, 2.0], "counts": [3, 1]}
    panel = {"kind": "histograms", "of": "outputs", "histograms": [histogram]}
    losses = {"losses": {"float32": "AAAAPwAAgD8="}}
    trainer.say(
        validations=[trainer.report_validation(100, 0.5, examples=losses, epoch=1.0)],
        checkpoints=[*kept, elsewhere],
        panels=[{"segment": 0, "step": 100, "name": "outputs", "data": panel, "at": iso(api.now)}],
        logs=[{"stream": "stdout", "offset": 0, "text": "epoch 1 \U0001f600\n", "at": iso(api.now)}],
    )
    for content in (b"old", b"new"):
        api.call("PUT", f"/runs/{trainer.run}/artifacts/notes.txt", content)
    receipt = {"step": 200, "monitor": "val_accuracy", "recorded": 0.5, "restored": 0.5, "difference": 0.0}
    receipt |= {"run": trainer.run, "checkpoint": points[1]["id"], "equal": True}
    api.post(f"/runs/{trainer.run}/receipts", receipt)
    api.post(f"/runs/{trainer.run}/commands", {"kind": "checkpoint"})


def write_checkpoint(api: Api, trainer: Trainer, store: Store, step: int) -> dict[str, Any]:
    state = make_state(step, step, frozen=1)
    network = '{"class_name": "Sequential"}'
    written = store.write(state, about(trainer.run, value=step / 1000, network=network))
    return {
        "id": state.id,
        "step": step,
        "value": step / 1000,
        "digest": written.digest,
        "size_bytes": written.manifest.size_bytes,
        "location": str(written.location),
    }


def add_rows(conn: Any, pk: int, project: int, bundle: str) -> None:
    """Fill the tables that no route of a script's run fills."""
    run, tags = {"run_pk": pk}, {"run_pk": pk, "project_pk": project}
    test = {"step": 200, "n": 10, "values": {"loss": 0.5}}
    rows: list[tuple[Any, dict[str, Any]]] = [
        (models.RunProvenanceTable, {**run, "provenance": {"packages": {"keras": "3.15"}}}),
        (models.RunKeyedTagTable, {**tags, "key": "mlflow.user", "text": "x", "rest": None}),
        (models.RunDatasetTable, {**tags, "name": "mnist", "digest": "d", "context": "", "document": {"a": [1]}}),
        (models.ReportedRunTable, {**run, "judged": [1, 2, 0.5], "is_resumed": False}),
        (models.TestResultTable, {**run, "attempt": 1, "test": test, "worker": "mill", "at": NOW}),
        (models.RuleProgressTable, {**run, "validations": 1, "command": None}),
        (models.ProjectTagTable, {"project_pk": project, "key": "team", "value": "vision"}),
    ]
    for table, row in rows:
        conn.execute(insert(table).values(**row))
    source = {"kind": "code", "bundle": bundle, "entry": "my_model.py:build"}
    spec = conn.execute(select(models.RunTable.spec)).scalar_one()
    conn.execute(update(models.RunTable).values(spec={**spec, "source": source}))


def make_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("my_model.py", "def build(): ...")
    return file.getvalue()


def export(api: Api, path: str, **how: Any) -> bytes:
    """Return the bytes of an archive that a route answers."""
    with api.call("GET", path, **how) as answer:
        content: bytes = answer.data
    assert answer.status_code == 200, answer.data[:500]
    assert answer.headers["Content-Length"] == str(len(content))
    return content


def opened(content: bytes, folder: Path) -> Archive:
    """Return an archive of these bytes, checked."""
    file = folder / f"{hashlib.sha256(content).hexdigest()[:12]}.keepbest"
    file.write_bytes(content)
    return reader.check(file.open("rb"))


def send(api: Api, content: bytes, folder: Path, *, piece: int = 2**20, **how: Any) -> Any:
    """Send an archive in pieces, and return the answer to its import."""
    archive = opened(content, folder)
    place, at = f"/archives/{archive.digest}", 0
    with archive.file:
        while at < len(content):
            answer = api.call("PUT", f"{place}?at={at}", content[at : at + piece], headers=OCTETS, **how)
            assert answer.status_code == 200, answer.data[:500]
            at = answer.get_json()["received"]
    return api.call("POST", place, {}, **how)


OCTETS = {"Content-Type": "application/octet-stream"}


def unpack(content: bytes, folder: Path) -> dict[str, bytes]:
    """Return the members of an archive by name."""
    archive = opened(content, folder)
    with archive.file:
        return {name: archive.read(name) for name in archive.places}


def build(members: dict[str, bytes]) -> bytes:
    """Return the archive with these members, and the right digests."""
    return b"".join(writer.stream([Member(name, len(data), partial(list, [data])) for name, data in members.items()]))
