"""Experiments: projects under MLflow's names, found by its filters, named anew, deleted, brought back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from keepbest.contract.base import new_id
from keepbest.status import Role
from tests.support.mlflow import Mlflow, as_dict
from tests.support.store import hello
from tracker import db
from tracker.store.reported import experiments

NOTES, GIVEN = "mlflow.note.content", "keepbest.experimentName"


def find(mlflow: Mlflow, filter: str = "", **given: Any) -> list[str]:
    """Return the names of the experiments that a search finds."""
    answer = mlflow.post("/experiments/search", max_results=100, filter=filter, **given)
    return [experiment["name"] for experiment in answer["experiments"]]


def create(mlflow: Mlflow, name: str, **tags: str) -> str:
    """Make an experiment and return its id."""
    pairs = [{"key": key, "value": value} for key, value in tags.items()]
    return str(mlflow.post("/experiments/create", name=name, tags=pairs)["experiment_id"])


def tags_of(mlflow: Mlflow, id: str) -> dict[str, str]:
    return as_dict(mlflow.get("/experiments/get", experiment_id=id)["experiment"]["tags"])


def test_experiments_are_found_by_name_tag_and_time(mlflow: Mlflow) -> None:
    teams = (("/Users/ada/one", "vision"), ("two", "text"), ("three", "vision"))
    ids = {name: create(mlflow, name, team=team) for name, team in teams}
    assert find(mlflow) == ["three", "two", "/Users/ada/one", "Default"]
    assert find(mlflow, "tags.team = 'vision'", order_by=["name ASC"]) == ["/Users/ada/one", "three"]
    assert find(mlflow, "name LIKE '/Users/%'") == ["/Users/ada/one"]
    assert find(mlflow, "name != 'two' and tags.team IS NOT NULL") == ["three", "/Users/ada/one"]
    assert find(mlflow, f"experiment_id IN ('{ids['two']}')") == ["two"]
    assert find(mlflow, "creation_time > 0 and tags.team LIKE 't%'") == ["two"]
    assert find(mlflow, "creation_time < 5") == []
    mlflow.post("/experiments/delete", experiment_id=ids["two"])
    assert find(mlflow, view_type="DELETED_ONLY") == ["two"]
    assert set(find(mlflow, view_type="ALL")) == {"three", "two", "/Users/ada/one", "Default"}
    page = mlflow.post("/experiments/search", max_results=2, view_type="ALL")
    rest = mlflow.post("/experiments/search", max_results=2, view_type="ALL", page_token=page["next_page_token"])
    assert [each["name"] for each in (*page["experiments"], *rest["experiments"])] == find(mlflow, view_type="ALL")


def test_an_experiment_is_a_project(mlflow: Mlflow) -> None:
    id = create(mlflow, "mine", **{NOTES: "why"})
    run = mlflow.begin(id)
    assert mlflow.api.get("/projects/mine")["description"] == "why"
    mlflow.post("/experiments/update", experiment_id=id, new_name="/better")
    assert mlflow.get("/experiments/get-by-name", experiment_name="/better")["experiment"]["experiment_id"] == id
    shown = mlflow.api.get(f"/runs/{run}")
    assert (shown["project"], shown["spec"]["project"]) == ("better", "better")
    assert mlflow.fail("POST", "/experiments/create", {"name": "/better"})[:2] == (400, "RESOURCE_ALREADY_EXISTS")
    assert mlflow.post("/experiments/create", name="better")["experiment_id"] != id
    mlflow.post("/experiments/delete", experiment_id=id)
    assert mlflow.run(run)["info"] | {"end_time": 0} == mlflow.run(run)["info"] | {"end_time": 0, "status": "KILLED"}
    given = {"experiment_id": id}
    assert "Current state is deleted" in mlflow.fail("POST", "/runs/create", given)[2]
    mlflow.post("/experiments/restore", experiment_id=id)
    assert mlflow.run(run)["info"]["lifecycle_stage"] == "active"


def test_default_is_there_before_its_project(mlflow: Mlflow) -> None:
    shown = mlflow.get("/experiments/get", experiment_id="0")["experiment"]
    assert (shown["experiment_id"], shown["name"]) == ("0", "Default")
    run = mlflow.post("/runs/create")["run"]["info"]
    assert (run["experiment_id"], mlflow.api.get("/projects/Default")["runs"]) == ("0", 1)
    assert mlflow.get("/experiments/get-by-name", experiment_name="Default")["experiment"]["experiment_id"] == "0"


DESCRIBED = [
    ("tags.`mlflow.note.content` = 'why'", ["a"]),
    ("tags.mlflow.note.content LIKE 'w%'", ["a"]),
    ("tags.mlflow.note.content ILIKE 'W%'", ["a"]),
    ("tags.mlflow.note.content != 'other'", ["a"]),
    ("tags.mlflow.note.content != 'why'", []),
    ("tags.mlflow.note.content IS NULL", ["b"]),
    ("tags.mlflow.note.content IS NOT NULL", ["a"]),
]


def test_experiments_are_found_by_their_description(mlflow: Mlflow) -> None:
    create(mlflow, "a", **{NOTES: "why"})
    create(mlflow, "b")
    for filter, names in DESCRIBED:
        assert find(mlflow, filter) == names, filter


NAMED = [
    ("name = '/a'", ["/a"]),
    ("name = 'a'", ["a"]),
    ("name = 'a-2'", []),
    ("name != 'a'", ["b", "/a"]),
    ("name LIKE 'a%'", ["a"]),
    ("name LIKE '%a'", ["a", "/a"]),
    ("name IN ('/a', 'b')", ["b", "/a"]),
]


def test_experiments_are_found_by_the_name_that_mlflow_knows(mlflow: Mlflow) -> None:
    ids = [create(mlflow, name) for name in ("/a", "a", "b")]
    assert len(set(ids)) == 3
    for filter, names in NAMED:
        assert find(mlflow, filter) == names, filter
    assert find(mlflow, "name LIKE '%'", order_by=["name ASC"]) == ["/a", "a", "b"]
    assert find(mlflow, f"experiment_id != '{ids[0]}'") == ["b", "a"]


def test_a_description_can_be_deleted_and_a_name_cannot(mlflow: Mlflow) -> None:
    id = create(mlflow, "/a", **{NOTES: "why", "k": "v"})
    assert tags_of(mlflow, id) == {NOTES: "why", "k": "v"}
    for key in (NOTES, "k"):
        mlflow.post("/experiments/delete-experiment-tag", experiment_id=id, key=key)
        again = {"experiment_id": id, "key": key}
        assert mlflow.fail("POST", "/experiments/delete-experiment-tag", again)[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert (tags_of(mlflow, id), mlflow.api.get("/projects/a")["description"]) == ({}, "")
    own = {"experiment_id": id, "key": GIVEN}
    assert mlflow.fail("POST", "/experiments/delete-experiment-tag", own)[0] == 400
    mlflow.post("/experiments/set-experiment-tag", experiment_id=id, key=GIVEN, value="other")
    assert mlflow.get("/experiments/get", experiment_id=id)["experiment"]["name"] == "/a"


def test_a_description_is_kept_whole_or_refused(mlflow: Mlflow) -> None:
    most = "x" * 10_000
    id = create(mlflow, "a", **{NOTES: most})
    assert tags_of(mlflow, id) == {NOTES: most}
    longer = {"name": "b", "tags": [{"key": NOTES, "value": f"{most}x"}]}
    assert "at most 10,000 characters" in mlflow.fail("POST", "/experiments/create", longer)[2]
    assert find(mlflow, "name = 'b'") == []


def test_a_project_that_a_sweep_fills_keeps_its_name(mlflow: Mlflow) -> None:
    id = create(mlflow, "mine")
    sweep = begin_sweep(mlflow)
    renamed = {"experiment_id": id, "new_name": "other"}
    status, _, message = mlflow.fail("POST", "/experiments/update", renamed)
    assert (status, f"Sweep {sweep} of project mine still makes runs" in message) == (400, True)
    mlflow.api.post(f"/sweeps/{sweep}/cancel")
    mlflow.post("/experiments/update", **renamed)
    assert mlflow.api.get("/projects/other")["name"] == "other"


def test_a_project_that_begins_anew_has_nothing_of_the_old_one(mlflow: Mlflow) -> None:
    create(mlflow, "mine", team="vision")
    sweep = begin_sweep(mlflow)
    mlflow.api.post(f"/sweeps/{sweep}/cancel")
    assert [each["id"] for each in mlflow.api.get("/sweeps?project=mine")["sweeps"]] == [sweep]
    mlflow.api.call("DELETE", "/projects/mine")
    mlflow.api.wait(1)
    mlflow.api.post("/projects", {"name": "mine"})
    assert find(mlflow, "tags.team = 'vision'") == []
    for query in ("", "?project=mine"):
        page = mlflow.api.get(f"/sweeps{query}")
        assert (page["sweeps"], page["total"]) == ([], 0)
    newer = begin_sweep(mlflow)
    assert [each["id"] for each in mlflow.api.get("/sweeps?project=mine")["sweeps"]] == [newer]


def begin_sweep(mlflow: Mlflow) -> str:
    """Let a sweep begin in the project `mine`."""
    with db.write(mlflow.api.engine) as conn:
        hello(conn)
    run = {"source": {"kind": "recipe", "name": "hvass-cnn"}, "project": "mine"}
    space = {"learning_rate": {"kind": "choices", "values": [0.1, 0.01]}}
    asked = {"run": run, "space": space, "search": "grid", "at_once": 2}
    return str(mlflow.api.post("/sweeps", asked, key=new_id())["id"])


@pytest.mark.parametrize("names", [("/a", "a"), ("a", "/a"), ("/a", "/a"), ("a", "a")])
def test_experiments_made_at_once_share_no_project(
    mlflow: Mlflow, names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have looked for a free name before either makes its project; SQLite lets the second look only later."""
    both, look, seen = threading.Barrier(2), experiments.find_by_name, threading.local()
    mlflow.api.token(Role.MEMBER)

    def look_together(*given: Any) -> Any:
        found = look(*given)
        if mlflow.api.engine.dialect.name == "postgresql" and not hasattr(seen, "once"):
            seen.once = both.wait()
        return found

    monkeypatch.setattr(experiments, "find_by_name", look_together)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: mlflow.call("POST", "/experiments/create", {"name": name}), names))
    monkeypatch.undo()
    codes = sorted(answer.status_code for answer in answers)
    assert codes == ([200, 200] if len(set(names)) == 2 else [200, 400])
    made = [answer.get_json()["experiment_id"] for answer in answers if answer.status_code == 200]
    assert len(set(made)) == len(made)
    assert sorted(find(mlflow, "name IN ('a', '/a')")) == sorted(set(names))
