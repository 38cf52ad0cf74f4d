"""Checkpoints over the API: only files that a checkpoint's own manifest names leave the store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.base import iso, new_id
from keepbest.status import Role
from tests.support.api import Api
from tests.support.trainer import Trainer, start_external

OBJECT, NETWORK, FOREIGN = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """What is tested here does not depend on the database."""
    return sqlite_url


@pytest.fixture
def trainer(api: Api) -> Trainer:
    return start_external(api)


@pytest.fixture
def stored(api: Api, trainer: Trainer, tmp_path: Path) -> str:
    """A durable checkpoint, its files in the store, beside one of another run."""
    point = trainer.checkpoint(100, 0.9)
    trainer.say(checkpoints=[point])
    manifest = {"variables": [{"object": OBJECT, "digest": FOREIGN}], "network": NETWORK}
    write(tmp_path / "store/runs" / trainer.run / f"{point['id']}.json", json.dumps({"manifest": manifest}))
    for digest, suffix in ((OBJECT, ".safetensors"), (NETWORK, ".json"), (FOREIGN, ".safetensors")):
        write(tmp_path / "store/objects" / digest[:2] / f"{digest}{suffix}", f"content of {digest}")
    return str(point["id"])


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_manifest_and_objects_are_served_as_they_lie(api: Api, stored: str) -> None:
    manifest = api.call("GET", f"/checkpoints/{stored}/manifest", role=Role.VIEWER)
    assert json.loads(manifest.data)["manifest"]["network"] == NETWORK
    for digest in (OBJECT, NETWORK):
        answer = api.call("GET", f"/checkpoints/{stored}/objects/{digest}", role=Role.WORKER)
        assert answer.text == f"content of {digest}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Content-Length"] == str(len(answer.data))


def test_an_object_of_another_checkpoint_is_not_given_away(api: Api, stored: str) -> None:
    assert api.fail("GET", f"/checkpoints/{stored}/objects/{FOREIGN}")[0] == 404


HOSTILE = [
    "..",
    "%2e%2e",
    "..%2f..%2fadmin-token",
    "a" * 63,
    "A" * 64,
    "a" * 64 + "%00",
    "a" * 64 + "%0a",
    "%2fetc%2fpasswd",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_is_no_digest(api: Api, stored: str, name: str) -> None:
    assert api.fail("GET", f"/checkpoints/{stored}/objects/{name}")[0] in (404, 422)
    assert api.fail("GET", f"/checkpoints/{name}/manifest")[0] == 404


def test_files_that_are_gone_are_not_found(api: Api, trainer: Trainer) -> None:
    point = trainer.checkpoint(100, 0.9)
    trainer.say(checkpoints=[point])
    assert api.fail("GET", f"/checkpoints/{point['id']}/manifest")[0] == 404
    assert api.fail("GET", f"/checkpoints/{point['id']}/objects/{OBJECT}")[0] == 404


@pytest.mark.parametrize("text", ["", "{", "[]", '{"manifest": {}}', '{"manifest": {"variables": [1]}}'])
def test_a_manifest_that_is_none_is_damaged(api: Api, trainer: Trainer, stored: str, tmp_path: Path, text: str) -> None:
    write(tmp_path / "store/runs" / trainer.run / f"{stored}.json", text)
    assert api.fail("GET", f"/checkpoints/{stored}/objects/{OBJECT}")[1]["code"] == "checkpoint_damaged"


def test_a_deleted_runs_checkpoints_are_not_found(api: Api, trainer: Trainer, stored: str) -> None:
    api.post(f"/leases/{trainer.run}/release", {"outcome": "finished"}, lease=trainer.lease)
    assert api.call("DELETE", f"/runs/{trainer.run}").status_code == 204
    assert api.fail("GET", f"/checkpoints/{stored}")[0] == 404
    assert api.fail("GET", f"/checkpoints/{stored}/manifest")[0] == 404


def test_pinning(api: Api, stored: str) -> None:
    for pinned in (True, True, False):
        answer = api.call("PATCH", f"/checkpoints/{stored}", {"is_pinned": pinned})
        assert answer.get_json()["is_pinned"] is pinned
        assert api.get(f"/checkpoints/{stored}")["is_pinned"] is pinned
    assert api.fail("PATCH", f"/checkpoints/{new_id()}", {"is_pinned": True})[0] == 404


def test_receipts_are_kept(api: Api, trainer: Trainer, stored: str) -> None:
    receipt: dict[str, Any] = {
        "run": trainer.run, "checkpoint": stored, "step": 100, "monitor": "val_accuracy", "recorded": 0.9,
        "restored": 0.9, "difference": 0.0, "n": 500, "equal": True,
    }  # fmt: skip
    assert api.post(f"/runs/{trainer.run}/receipts", receipt) == receipt
    assert api.get(f"/runs/{trainer.run}/receipts") == {"receipts": [receipt]}
    other = start_external(api)
    assert api.fail("POST", f"/runs/{other.run}/receipts", receipt)[0] == 404


def test_a_ghosts_checkpoint_is_shown_as_one(api: Api, trainer: Trainer) -> None:
    trainer.say(checkpoints=[trainer.checkpoint(100, 0.9), trainer.checkpoint(200, 0.8)])
    trainer.open(1, parent=0, start_step=150)
    seen = api.get(f"/runs/{trainer.run}/checkpoints")["checkpoints"]
    assert [(point["step"], point["ghost"]) for point in seen] == [(100, False), (200, True)]
    assert api.get(f"/runs/{trainer.run}")["updated_at"] == iso(api.now)
