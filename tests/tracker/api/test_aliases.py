"""Aliases over the API: given, moved, taken, with their history; what has one stays."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from keepbest.contract.base import iso, new_id
from keepbest.status import Role
from tests.support.api import Api
from tests.support.trainer import Trainer, start_external
from tracker.db import Engine

PROJECT = "team/digits"
PATH = f"/aliases/{quote(PROJECT)}"


@pytest.fixture
def trainer(api: Api) -> Trainer:
    return start_external(api, project=PROJECT)


@pytest.fixture
def ids(trainer: Trainer) -> list[str]:
    points = [trainer.checkpoint(step, step / 1000) for step in (100, 200)]
    trainer.say(checkpoints=points)
    return [point["id"] for point in points]


def put(api: Api, name: str, **target: Any) -> dict[str, Any]:
    answer = api.call("PUT", PATH, {"name": name, **target})
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def end(api: Api, trainer: Trainer) -> None:
    api.post(f"/leases/{trainer.run}/release", {"outcome": "finished"}, lease=trainer.lease)


def send(api: Api, run: str, path: str, data: bytes) -> None:
    assert api.call("PUT", f"/runs/{run}/artifacts/{path}", data).status_code == 200


def named(api: Api, run: str) -> dict[int, list[str]]:
    return {item["step"]: item["aliases"] for item in api.get(f"/runs/{run}/checkpoints")["checkpoints"]}


def test_an_alias_moves_and_its_history_tells_how(api: Api, trainer: Trainer, ids: list[str]) -> None:
    made = put(api, "champion", checkpoint=ids[0])
    assert (made["project"], made["target"]["step"], made["value"], made["user"]) == (PROJECT, 100, 0.1, "a member")
    assert named(api, trainer.run) == {100: ["champion"], 200: []}
    api.wait(60)
    assert put(api, "champion", checkpoint=ids[1])["target"]["checkpoint"] == ids[1]
    put(api, "champion", checkpoint=ids[1])  # the same again
    put(api, "a.second", checkpoint=ids[1])
    assert [item["name"] for item in api.get(PATH, role=Role.VIEWER)["aliases"]] == ["a.second", "champion"]
    assert named(api, trainer.run) == {100: [], 200: ["a.second", "champion"]}
    assert api.call("DELETE", f"{PATH}?name=champion").status_code == 204
    assert api.fail("DELETE", f"{PATH}?name=champion")[0] == 404
    moves = api.get(f"/alias-moves/{quote(PROJECT)}?name=champion")["moves"]
    steps = [[side and side["step"] for side in (move["before"], move["after"])] for move in moves]
    assert steps == [[200, None], [100, 200], [None, 100]]
    assert {move["user"] for move in moves} == {"a member"}
    audit = [entry["action"] for entry in api.get("/audit", role=Role.ADMIN)["entries"]]
    assert (audit.count("alias.set"), audit.count("alias.remove")) == (3, 1)
    events = [event for event in api.get("/events?after=0")["events"] if event["kind"] == "project.aliases"]
    assert len(events) == 4


def test_a_history_is_paged(api: Api, ids: list[str]) -> None:
    for number in range(5):
        put(api, "champion", checkpoint=ids[number % 2])
    first = api.get(f"/alias-moves/{quote(PROJECT)}?limit=3")
    rest = api.get(f"/alias-moves/{quote(PROJECT)}?limit=3&cursor={first['cursor']}")
    assert [len(first["moves"]), len(rest["moves"]), rest["cursor"]] == [3, 2, None]


def test_an_artifact_has_an_alias_by_its_version(api: Api, trainer: Trainer) -> None:
    for data in (b"1", b"2"):
        send(api, trainer.run, "model.onnx", data)
    made = put(api, "champion", run=trainer.run, path="model.onnx", version=1)
    assert (made["target"]["path"], made["target"]["version"], made["target"]["step"]) == ("model.onnx", 1, None)
    shown = api.get(f"/runs/{trainer.run}/artifacts?versions=true")["artifacts"]
    assert [item["aliases"] for item in shown] == [[], ["champion"]]
    assert put(api, "champion", run=trainer.run, path="model.onnx")["target"]["version"] == 2


def test_a_named_version_of_an_artifact_stays(engine: Engine, tmp_path: Any) -> None:
    api = Api(engine, tmp_path, artifact_versions=1)
    trainer = start_external(api, project=PROJECT)
    send(api, trainer.run, "a", b"1")
    put(api, "champion", run=trainer.run, path="a")
    for data in (b"2", b"3"):
        send(api, trainer.run, "a", data)
    shown = api.get(f"/runs/{trainer.run}/artifacts?versions=true")["artifacts"]
    assert [item["version"] for item in shown] == [3, 1]
    status, error = api.fail("DELETE", f"/runs/{trainer.run}/artifacts/a")
    assert (status, error["hint"]) == (
        409, f"Give the alias to another, or remove it: `keepbest alias rm {PROJECT} champion`.",
    )  # fmt: skip
    assert api.call("DELETE", f"{PATH}?name=champion").status_code == 204
    assert api.call("DELETE", f"/runs/{trainer.run}/artifacts/a").status_code == 204
    api.close()


@pytest.mark.parametrize("kind", ["checkpoint", "artifact"])
def test_a_run_with_an_alias_stays_where_it_is(api: Api, trainer: Trainer, ids: list[str], kind: str) -> None:
    send(api, trainer.run, "a", b"1")
    target = {"checkpoint": ids[0]} if kind == "checkpoint" else {"run": trainer.run, "path": "a"}
    put(api, "champion", **target)
    end(api, trainer)
    for path in (f"/runs/{trainer.run}", f"/projects/{quote(PROJECT)}"):
        status, error = api.fail("DELETE", path)
        assert (status, error["field"]) == (409, "alias"), path
        assert "champion" in error["message"]
    move = {"runs": [trainer.run], "action": "move", "project": "other"}
    (result,) = api.post("/runs/actions", move)["results"]
    assert (result["is_done"], "champion" in result["message"]) == (False, True)
    assert api.call("DELETE", f"{PATH}?name=champion").status_code == 204
    assert api.call("DELETE", f"/runs/{trainer.run}").status_code == 204


def test_a_run_of_another_project_has_no_alias_here(api: Api, trainer: Trainer, ids: list[str]) -> None:
    api.post("/projects", {"name": "other"})
    status, error = api.fail("PUT", "/aliases/other", {"name": "champion", "checkpoint": ids[0]})
    assert (status, error["field"]) == (409, "project")
    send(api, trainer.run, "a", b"1")
    assert api.fail("PUT", "/aliases/other", {"name": "champion", "run": trainer.run, "path": "a"})[0] == 409


NAMES = [
    "",
    "1",
    "7b",
    "best",
    "Last",
    "latest",
    "a b",
    "a/b",
    "a@b",
    "../x",
    "é",
    "a\n",
    "a\0",
    "x" * 101,
    "-a",
    "\U0001f600",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_name_is_refused(api: Api, ids: list[str], name: str) -> None:
    assert api.fail("PUT", PATH, {"name": name, "checkpoint": ids[0]})[0] == 422
    assert api.get(PATH)["aliases"] == []


TARGETS: list[tuple[dict[str, Any], int]] = [
    ({}, 422), ({"checkpoint": "x"}, 422), ({"checkpoint": new_id()}, 404), ({"run": new_id()}, 422),
    ({"run": new_id(), "path": "a"}, 404), ({"path": "a"}, 422), ({"run": "RUN", "path": "../a"}, 422),
    ({"run": "RUN", "path": "none"}, 404), ({"run": "RUN", "path": "a", "version": 0}, 422),
    ({"run": "RUN", "path": "a", "version": 2**63}, 422), ({"checkpoint": None, "more": 1}, 422),
]  # fmt: skip


@pytest.mark.parametrize(("target", "status"), TARGETS)
def test_a_wrong_target_is_refused(api: Api, trainer: Trainer, target: dict[str, Any], status: int) -> None:
    given = {key: trainer.run if value == "RUN" else value for key, value in target.items()}
    assert api.fail("PUT", PATH, {"name": "champion", **given})[0] == status


def test_a_dropped_or_deleted_target_is_refused(api: Api, trainer: Trainer, ids: list[str]) -> None:
    trainer.say(dropped=[{"id": ids[0], "reason": "newer", "at": iso(api.now)}])
    assert api.fail("PUT", PATH, {"name": "champion", "checkpoint": ids[0]})[0] == 404
    send(api, trainer.run, "a", b"1")
    end(api, trainer)
    assert api.call("DELETE", f"/runs/{trainer.run}").status_code == 204
    assert api.fail("PUT", PATH, {"name": "champion", "checkpoint": ids[1]})[0] == 404
    assert api.fail("PUT", PATH, {"name": "champion", "run": trainer.run, "path": "a"})[0] == 404


def test_a_project_has_so_many_aliases(api: Api, ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.store.aliases.MAX_ALIASES", 2)
    for name in ("a", "b"):
        put(api, name, checkpoint=ids[0])
    assert api.fail("PUT", PATH, {"name": "c", "checkpoint": ids[0]})[0] == 409
    put(api, "a", checkpoint=ids[1])


def test_an_unknown_project_is_not_found(api: Api, ids: list[str]) -> None:
    for method, path in (("GET", "/aliases/none"), ("DELETE", "/aliases/none?name=a"), ("GET", "/alias-moves/none")):
        assert api.fail(method, path)[0] == 404
    assert api.fail("PUT", "/aliases/none", {"name": "a", "checkpoint": ids[0]})[0] == 404
