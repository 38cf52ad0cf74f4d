"""Logged models and the registry as MLflow's client asks for them; bad input in MLflow's sentences."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.status import Role
from tests.support.mlflow import Mlflow, as_dict

ROOT = "/api/2.0/mlflow-artifacts/artifacts"


def log_model(mlflow: Mlflow, run: str = "", **given: Any) -> str:
    """Make a logged model and return its id."""
    asked = {"experiment_id": "0", "name": "clf", "source_run_id": run, **given}
    return str(mlflow.post("/logged-models", **asked)["model"]["info"]["model_id"])


def send(mlflow: Mlflow, method: str, path: str, **given: Any) -> Any:
    answer = mlflow.call(method, path, given)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def register(mlflow: Mlflow, name: str, source: str, **given: Any) -> Any:
    """Make a registered model where it is missing, and a version of it."""
    mlflow.call("POST", "/registered-models/create", {"name": name})
    return mlflow.post("/model-versions/create", name=name, source=source, **given)["model_version"]


def shown(mlflow: Mlflow, name: str) -> Any:
    return mlflow.call("GET", "/registered-models/get", {"name": name}).get_json()["registered_model"]


def versions(mlflow: Mlflow, **query: Any) -> list[str]:
    found = mlflow.get("/model-versions/search", **query)["model_versions"]
    return [f"{each['name']}/{each['version']}" for each in found]


def test_a_logged_model_has_its_files_in_its_run(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    id = log_model(mlflow, run, tags=[{"key": "k", "value": "v"}], params=[{"key": "lr", "value": "1"}])
    model = mlflow.get(f"/logged-models/{id}")["model"]
    info = model["info"]
    assert (info["status"], info["source_run_id"], info["name"]) == ("LOGGED_MODEL_PENDING", run, "clf")
    assert (as_dict(info["tags"]), as_dict(model["data"]["params"])) == ({"k": "v"}, {"lr": "1"})
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/models/{id}/artifacts"
    for path in ("MLmodel", "data/a.bin"):
        answer = mlflow.call("PUT", f"/0/models/{id}/artifacts/{path}", path.encode(), prefix=ROOT)
        assert answer.status_code == 200, answer.text
    answer = mlflow.call("GET", f"/0/models/{id}/artifacts/data/a.bin", prefix=ROOT)
    assert answer.data == b"data/a.bin"
    answer.close()  # as a server does
    listing = mlflow.get(f"/logged-models/{id}/artifacts/directories", artifact_directory_path="data")
    assert [file["path"] for file in listing["files"]] == ["data/a.bin"]
    own = [item["path"] for item in mlflow.api.get(f"/runs/{run}/artifacts")["artifacts"]]
    assert own == [f"mlflow-models/{id}/MLmodel", f"mlflow-models/{id}/data/a.bin"]
    assert mlflow.call("GET", "", {"path": f"0/{run}/artifacts"}, prefix=ROOT).get_json() == {}
    done = send(mlflow, "PATCH", f"/logged-models/{id}", model_id=id, status="LOGGED_MODEL_READY")
    assert done["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    mlflow.post("/runs/outputs", run_id=run, models=[{"model_id": id, "step": 3}])
    assert mlflow.run(run)["outputs"] == {"model_outputs": [{"model_id": id, "step": 3}]}


def test_a_model_without_a_run_gets_one(mlflow: Mlflow) -> None:
    id = log_model(mlflow, "")
    assert mlflow.get(f"/logged-models/{id}")["model"]["info"]["source_run_id"] == ""
    (run,) = mlflow.find()
    assert mlflow.run(run)["info"]["status"] == "FINISHED"


def test_logged_models_are_found(mlflow: Mlflow) -> None:
    runs = [mlflow.begin(), mlflow.begin()]
    ids = [log_model(mlflow, run, name=name) for run, name in zip(runs, ("a", "b"), strict=True)]
    send(mlflow, "PATCH", f"/logged-models/{ids[0]}/tags", tags=[{"key": "team", "value": "vision"}])

    def find(filter: str = "", **given: Any) -> list[str]:
        found = mlflow.post("/logged-models/search", experiment_ids=["0"], filter=filter, **given)
        return [model["info"]["model_id"] for model in found.get("models", [])]

    assert find() == ids[::-1]
    assert find(f"source_run_id = '{runs[0]}'") == find("tags.team = 'vision'") == find("name LIKE 'a%'") == ids[:1]
    assert find("name != 'a' and status = 'PENDING'") == ids[1:]
    assert find("tags.team != 'vision'") == []
    assert find(order_by=[{"field_name": "name", "ascending": True}]) == ids
    page = mlflow.post("/logged-models/search", experiment_ids=["0"], max_results=1)
    rest = mlflow.post("/logged-models/search", experiment_ids=["0"], page_token=page["next_page_token"])
    assert [model["info"]["model_id"] for model in page["models"] + rest["models"]] == ids[::-1]


def test_the_models_of_a_deleted_run_come_back_with_it(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    id = log_model(mlflow, run)
    mlflow.post("/runs/delete", run_id=run)
    assert mlflow.fail("GET", f"/logged-models/{id}")[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert mlflow.post("/logged-models/search", experiment_ids=["0"]) == {}
    mlflow.post("/runs/restore", run_id=run)
    assert mlflow.get(f"/logged-models/{id}")["model"]["info"]["model_id"] == id


def test_a_deleted_model_is_shown_where_it_is_asked_for(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    id = log_model(mlflow, run)
    mlflow.call("PUT", f"/0/models/{id}/artifacts/MLmodel", b"x", prefix=ROOT)
    send(mlflow, "DELETE", f"/logged-models/{id}")
    assert mlflow.fail("GET", f"/logged-models/{id}")[0] == 404
    assert mlflow.get(f"/logged-models/{id}", allow_deleted="true")["model"]["info"]["model_id"] == id
    assert mlflow.call("PUT", f"/0/models/{id}/artifacts/MLmodel", b"x", prefix=ROOT).status_code == 404
    assert mlflow.api.get(f"/runs/{run}/artifacts")["artifacts"] == []


def test_versions_count_up_and_none_is_given_twice(mlflow: Mlflow) -> None:
    id = log_model(mlflow, run := mlflow.begin())
    first = register(mlflow, "clf", f"models:/{id}", tags=[{"key": "a", "value": "b"}])
    assert (first["version"], first["run_id"], first["model_id"], first["status"]) == ("1", run, id, "READY")
    register(mlflow, "clf", "models:/clf/1")
    send(mlflow, "DELETE", "/model-versions/delete", name="clf", version="2")
    third = register(mlflow, "clf", f"mlflow-artifacts:/0/{run}/artifacts/model")
    assert (third["version"], third["run_id"]) == ("3", run)
    places = [mlflow.get("/model-versions/get-download-uri", name="clf", version=version) for version in ("1", "3")]
    assert [place["artifact_uri"] for place in places] == [
        f"mlflow-artifacts:/0/models/{id}/artifacts", f"mlflow-artifacts:/0/{run}/artifacts/model",
    ]  # fmt: skip
    assert versions(mlflow) == ["clf/3", "clf/1"]
    assert versions(mlflow, filter=f"run_id = '{run}'", order_by="version_number ASC") == ["clf/1", "clf/3"]
    assert versions(mlflow, filter="name = 'clf' and tags.a = 'b'") == ["clf/1"]
    assert versions(mlflow, filter="version_number > 1") == ["clf/3"]


def test_an_alias_moves_from_version_to_version(mlflow: Mlflow) -> None:
    id = log_model(mlflow, mlflow.begin())
    for _ in range(2):
        register(mlflow, "clf", f"models:/{id}")
    for version in ("1", "2", "2"):
        mlflow.post("/registered-models/alias", name="clf", alias="champion", version=version)
    assert mlflow.get("/registered-models/alias", name="clf", alias="champion")["model_version"]["version"] == "2"
    assert shown(mlflow, "clf")["aliases"] == [{"alias": "champion", "version": "2"}]
    audit = [
        entry for entry in mlflow.api.get("/audit", role=Role.ADMIN)["entries"] if entry["action"] == "model.alias"
    ]
    assert [(entry["detail"]["from"], entry["detail"]["to"]) for entry in audit] == [(1, 2), (None, 1)]
    send(mlflow, "DELETE", "/model-versions/delete", name="clf", version="2")
    status, code, _ = mlflow.fail("GET", "/registered-models/alias", {"name": "clf", "alias": "champion"})
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")


def test_stages_and_their_newest_versions(mlflow: Mlflow) -> None:
    id = log_model(mlflow, mlflow.begin())
    for _ in range(3):
        register(mlflow, "clf", f"models:/{id}")
    for version, stage in (("1", "Production"), ("2", "production")):
        given = {"name": "clf", "version": version, "stage": stage, "archive_existing_versions": True}
        mlflow.post("/model-versions/transition-stage", **given)
    latest = {each["current_stage"]: each["version"] for each in shown(mlflow, "clf")["latest_versions"]}
    assert latest == {"None": "3", "Production": "2", "Archived": "1"}
    only = mlflow.post("/registered-models/get-latest-versions", name="clf", stages=["Production"])
    assert [each["version"] for each in only["model_versions"]] == ["2"]


def test_a_registered_model_is_described_renamed_and_deleted(mlflow: Mlflow) -> None:
    mlflow.post("/registered-models/create", name="clf", description="d", tags=[{"key": "a", "value": "b"}])
    assert mlflow.fail("POST", "/registered-models/create", {"name": "clf"})[:2] == (400, "RESOURCE_ALREADY_EXISTS")
    mlflow.post("/registered-models/set-tag", name="clf", key="team", value="vision")
    send(mlflow, "DELETE", "/registered-models/delete-tag", name="clf", key="a")
    send(mlflow, "PATCH", "/registered-models/update", name="clf", description="better")
    mlflow.post("/registered-models/create", name="other")
    status, code, _ = mlflow.fail("POST", "/registered-models/rename", {"name": "clf", "new_name": "other"})
    assert (status, code) == (400, "RESOURCE_ALREADY_EXISTS")
    mlflow.post("/registered-models/rename", name="clf", new_name="renamed")
    model = shown(mlflow, "renamed")
    assert (model["description"], as_dict(model["tags"])) == ("better", {"team": "vision"})
    found = mlflow.get("/registered-models/search", filter="tags.`mlflow.prompt.is_prompt` != 'true'")
    assert [each["name"] for each in found["registered_models"]] == ["other", "renamed"]
    ordered = mlflow.get("/registered-models/search", order_by="name DESC", max_results="1")
    assert [each["name"] for each in ordered["registered_models"]] == ["renamed"]
    rest = mlflow.get("/registered-models/search", order_by="name DESC", page_token=ordered["next_page_token"])
    assert [each["name"] for each in rest["registered_models"]] == ["other"]
    send(mlflow, "DELETE", "/registered-models/delete", name="renamed")
    assert mlflow.fail("GET", "/registered-models/get", {"name": "renamed"})[:2] == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("how", ["model", "files"])
def test_a_run_with_a_registered_version_stays(mlflow: Mlflow, how: str) -> None:
    run = mlflow.begin()
    id = log_model(mlflow, run)
    register(mlflow, "clf", f"models:/{id}" if how == "model" else f"mlflow-artifacts:/0/{run}/artifacts/model")
    status, code, message = mlflow.fail("POST", "/runs/delete", {"run_id": run})
    assert (status, code, "version 1 of the registered model 'clf'" in message) == (
        400,
        "INVALID_PARAMETER_VALUE",
        True,
    )
    assert mlflow.run(run)["info"]["status"] == "RUNNING"
    assert mlflow.fail("POST", "/experiments/delete", {"experiment_id": "0"})[0] == 400
    if how == "model":
        assert mlflow.fail("DELETE", f"/logged-models/{id}")[0] == 400
    send(mlflow, "DELETE", "/model-versions/delete", name="clf", version="1")
    mlflow.post("/runs/delete", run_id=run)


def test_older_clients_write_the_history_of_models(mlflow: Mlflow) -> None:
    run = mlflow.begin()
    model = '{"artifact_path": "a", "flavors": {}, "utc_time_created": "now", "run_id": "RUN"}'
    for _ in range(2):
        mlflow.post("/runs/log-model", run_id=run, model_json=model)
    history = as_dict(mlflow.run(run)["data"]["tags"])["mlflow.log-model.history"]
    assert history.count('"artifact_path"') == 2
    for wrong in ("{", "[]", "3", '{"run_id": "a"}'):
        assert mlflow.fail("POST", "/runs/log-model", {"run_id": run, "model_json": wrong})[0] == 400


BAD: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/logged-models", {}, "Missing value for required parameter 'experiment_id'"),
    ("POST", "/logged-models", {"experiment_id": 0}, "for parameter 'experiment_id'"),
    ("POST", "/logged-models", {"experiment_id": "0", "name": "x" * 501}, "maximum length of 500"),
    ("POST", "/logged-models", {"experiment_id": "0", "tags": [{"value": "v"}]}, "'tags[0].key'"),
    ("POST", "/logged-models", {"experiment_id": "0", "params": [{"key": "k"}] * 101}, "at most 100 params"),
    ("PATCH", "/logged-models/ID", {"status": "DONE"}, "for parameter 'status'"),
    ("PATCH", "/logged-models/ID", {"status": 99}, "for parameter 'status'"),
    ("PATCH", "/logged-models/ID", {"status": None}, "for parameter 'status'"),
    ("POST", "/logged-models/ID/params", {"params": [{"key": "lr", "value": "2"}]}, "Changing param values"),
    ("POST", "/logged-models/search", {"experiment_ids": ["0"], "filter": "metrics.a > 1"}, "Invalid entity type"),
    ("POST", "/logged-models/search", {"experiment_ids": ["0"], "filter": "size = 'a'"}, "Invalid attribute key"),
    ("POST", "/logged-models/search", {"experiment_ids": ["0"], "order_by": [{"field_name": "a"}]}, "field_name"),
    ("POST", "/logged-models/search", {"experiment_ids": ["0"], "page_token": "x"}, "cursor"),
    ("POST", "/registered-models/create", {}, "Missing value for required parameter 'name'"),
    ("POST", "/registered-models/create", {"name": 3}, "for parameter 'name'"),
    ("POST", "/registered-models/create", {"name": " "}, "for parameter 'name'"),
    ("POST", "/registered-models/create", {"name": "a/b"}, "Names cannot contain '/' or ':'"),
    ("POST", "/registered-models/create", {"name": "models:a"}, "Names cannot contain"),
    ("POST", "/registered-models/create", {"name": ".."}, "no name but a path"),
    ("POST", "/registered-models/create", {"name": "."}, "already exists"),
    ("POST", "/registered-models/create", {"name": "a\u202eb"}, "no control character"),
    ("POST", "/registered-models/create", {"name": "a\0"}, "for parameter 'name'"),
    ("POST", "/registered-models/create", {"name": "x" * 201}, "maximum length of 200"),
    ("POST", "/registered-models/create", {"name": "a", "description": "x" * 20_001}, "maximum length of 20000"),
    ("POST", "/registered-models/create", {"name": "a", "tags": [{"key": "k", "value": "v" * 100_001}]}, "maximum"),
    ("POST", "/registered-models/rename", {"name": "clf", "new_name": "a:b"}, "Names cannot contain"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a b", "version": "1"}, "Invalid alias name"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "é", "version": "1"}, "Invalid alias name"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "Latest", "version": "1"}, "is reserved"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "v7", "version": "1"}, "is reserved"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a" * 256, "version": "1"}, "maximum length of 255"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a", "version": "one"}, "must be an integer"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a", "version": "9" * 30}, "must be an integer"),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a", "version": 1}, "for parameter 'version'"),
    ("GET", "/registered-models/search", {"filter": "params.a = 'b"}, "quote"),
    ("GET", "/registered-models/search", {"order_by": "size"}, "Invalid attribute key"),
    ("GET", "/registered-models/search", {"max_results": "0"}, "max_results"),
    ("GET", "/model-versions/search", {"filter": "version_number = 'a'"}, "Expected numeric value"),
    (
        "POST",
        "/model-versions/transition-stage",
        {"name": "clf", "version": "1", "stage": "Live"},
        "Invalid Model Version",
    ),
    ("POST", "/model-versions/create", {"name": "clf"}, "Missing value for required parameter 'source'"),
]
SOURCES = [
    "/etc/passwd", "file:///etc/passwd", "../x", "mlflow-artifacts:/0/../../etc",
    "mlflow-artifacts:/0/none/artifacts/a",
    "mlflow-artifacts:/0/%2e%2e/%2e%2e/etc", "models:/m-none", "models:/none/1", "models:/clf/x", "models:/clf/7",
    "models:/", "s3://bucket/../x", "javascript:alert(1)", "C:\\model", "s3://a\\b",
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "given", "says"), BAD)
def test_bad_input_is_refused(mlflow: Mlflow, method: str, path: str, given: dict[str, Any], says: str) -> None:
    id = log_model(mlflow, mlflow.begin(), params=[{"key": "lr", "value": "1"}])
    register(mlflow, "clf", f"models:/{id}")
    mlflow.call("POST", "/registered-models/create", {"name": "."})
    status, _, message = mlflow.fail(method, path.replace("ID", id), given)
    assert status == 400
    assert says in message


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_that_leads_elsewhere_is_refused(mlflow: Mlflow, source: str) -> None:
    mlflow.post("/registered-models/create", name="clf")
    status, code, message = mlflow.fail("POST", "/model-versions/create", {"name": "clf", "source": source})
    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert message.startswith("Invalid")
    assert versions(mlflow) == []


UNKNOWN = [
    ("GET", "/logged-models/m-none", {}), ("PATCH", "/logged-models/m-none", {"status": 1}),
    ("DELETE", "/logged-models/m-none", {}), ("PATCH", "/logged-models/m-none/tags", {}),
    ("DELETE", "/logged-models/ID/tags/none", {}), ("POST", "/logged-models/m-none/params", {}),
    ("POST", "/logged-models", {"experiment_id": "0", "source_run_id": "none"}),
    ("POST", "/logged-models", {"experiment_id": "77"}),
    ("GET", "/registered-models/get", {"name": "none"}), ("DELETE", "/registered-models/delete", {"name": "none"}),
    ("PATCH", "/registered-models/update", {"name": "none"}),
    ("POST", "/registered-models/rename", {"name": "none", "new_name": "a"}),
    ("POST", "/registered-models/alias", {"name": "clf", "alias": "a", "version": "7"}),
    ("POST", "/registered-models/get-latest-versions", {"name": "none"}),
    ("POST", "/model-versions/create", {"name": "none", "source": "models:/ID"}),
    ("GET", "/model-versions/get", {"name": "clf", "version": "7"}),
    ("GET", "/model-versions/get-download-uri", {"name": "none", "version": "1"}),
    ("PATCH", "/model-versions/update", {"name": "clf", "version": "7"}),
    ("DELETE", "/model-versions/delete", {"name": "clf", "version": "7"}),
    ("POST", "/runs/outputs", {"run_id": "RUN", "models": [{"model_id": "m-none"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "given"), UNKNOWN)
def test_what_is_unknown_is_not_found(mlflow: Mlflow, method: str, path: str, given: dict[str, Any]) -> None:
    run = mlflow.begin()
    id = log_model(mlflow, run)
    mlflow.post("/registered-models/create", name="clf")
    filled = {key: run if value == "RUN" else value for key, value in given.items()}
    filled |= {"source": f"models:/{id}"} if "source" in given else {}
    status, code, _ = mlflow.fail(method, path.replace("ID", id), filled)
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_models_are_bounded(mlflow: Mlflow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.store.registry.tags.MAX_TAGS", 2)
    monkeypatch.setattr("tracker.store.registry.models.MAX_MODELS", 1)
    monkeypatch.setattr("tracker.store.registry.models.MAX_ALIASES", 1)
    monkeypatch.setattr("tracker.store.registry.versions.MAX_VERSIONS", 1)
    monkeypatch.setattr("tracker.store.registry.logged_models.MAX_MODELS", 1)
    run = mlflow.begin()
    id = log_model(mlflow, run)
    register(mlflow, "clf", f"models:/{id}")
    mlflow.post("/registered-models/alias", name="clf", alias="a", version="1")
    tags = [{"key": key, "value": "v"} for key in "abc"]
    for method, path, given in (
        ("POST", "/logged-models", {"experiment_id": "0", "source_run_id": run}),
        ("PATCH", f"/logged-models/{id}/tags", {"tags": tags}),
        ("POST", "/registered-models/create", {"name": "other"}),
        ("POST", "/registered-models/alias", {"name": "clf", "alias": "b", "version": "1"}),
        ("POST", "/model-versions/create", {"name": "clf", "source": f"models:/{id}"}),
    ):
        status, code, message = mlflow.fail(method, path, given)
        assert (status, code) == (400, "INVALID_PARAMETER_VALUE"), path
        assert "at most" in message or "no more" in message
