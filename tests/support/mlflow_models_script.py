"""A script that logs, registers and loads models through MLflow's own client. Run with the Python of its environment.

It prints a line of JSON with what the client read back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mlflow
import pandas as pd  # type: ignore[import-untyped]

client = mlflow.MlflowClient()
mlflow.set_experiment("models")
rows = pd.DataFrame({"x": [1.0, 2.0]})


class Times(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Multiplies by a number."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        return (model_input["x"] * self.factor).tolist()


def code_of(act: Callable[[], Any]) -> str:
    """Return the code of the error that a call ends with."""
    try:
        act()
    except mlflow.exceptions.MlflowException as error:
        return str(error.error_code)
    return "none"


logged = []
for factor in (2.0, 3.0):
    with mlflow.start_run(run_name=f"times {factor}") as run:
        logged.append(mlflow.pyfunc.log_model(name="times", python_model=Times(factor), pip_requirements=[]))
first, second = logged
version = mlflow.register_model(first.model_uri, "clf", tags={"a": "b"})
mlflow.register_model(f"runs:/{second.run_id}/times", "clf")
client.set_registered_model_alias("clf", "champion", 1)
by_alias = mlflow.pyfunc.load_model("models:/clf@champion").predict(rows)
client.set_registered_model_alias("clf", "champion", 2)
moved = mlflow.pyfunc.load_model("models:/clf@champion").predict(rows)
client.update_registered_model("clf", "what it is")
client.set_registered_model_tag("clf", "team", "vision")
client.set_model_version_tag("clf", "1", "gone", "x")
client.delete_model_version_tag("clf", "1", "gone")
client.update_model_version("clf", "1", "the first")
shown = client.get_registered_model("clf")
model = client.get_logged_model(first.model_id)
client.set_logged_model_tags(first.model_id, {"k": "v"})
guarded = [
    code_of(lambda: client.delete_run(first.run_id)),
    code_of(lambda: client.delete_logged_model(first.model_id)),
    code_of(lambda: client.create_registered_model("clf")),
    code_of(lambda: client.get_model_version("clf", "7")),
    code_of(lambda: client.get_model_version_by_alias("clf", "none")),
]
told = {
    "by_id": mlflow.pyfunc.load_model(first.model_uri).predict(rows),
    "by_run": mlflow.pyfunc.load_model(f"runs:/{first.run_id}/times").predict(rows),
    "by_version": mlflow.pyfunc.load_model("models:/clf/1").predict(rows),
    "latest": mlflow.pyfunc.load_model("models:/clf/latest").predict(rows),
    "by_alias": by_alias,
    "moved": moved,
    "version": [version.version, version.run_id == first.run_id],
    "registered": [shown.name, shown.description, shown.tags, shown.aliases],
    "found": [each.name for each in client.search_registered_models("name LIKE 'cl%' and tags.team = 'vision'")],
    "none": len(client.search_registered_models("name = 'other'")),
    "versions": [
        each.version for each in client.search_model_versions("name = 'clf'", order_by=["version_number ASC"])
    ],
    "of_run": [each.version for each in client.search_model_versions(f"run_id = '{first.run_id}'")],
    "tags": client.get_model_version("clf", "1").tags,
    "alias": client.get_model_version_by_alias("clf", "champion").version,
    "status": [str(model.status), model.name, model.source_run_id == first.run_id],
    "logged": len(mlflow.search_logged_models(output_format="list")),
    "of_source": len(
        mlflow.search_logged_models(filter_string=f"source_run_id = '{first.run_id}'", output_format="list")
    ),
    "logged_tags": client.get_logged_model(first.model_id).tags.get("k"),
    "outputs": [each.model_id == first.model_id for each in client.get_run(first.run_id).outputs.model_outputs],
    "files": sorted(info.path for info in client.list_artifacts(first.run_id, "times")),
    "guarded": guarded,
}
client.delete_registered_model_alias("clf", "champion")
client.delete_model_version("clf", "1")
client.rename_registered_model("clf", "renamed")
client.delete_registered_model("renamed")
client.delete_run(first.run_id)
told["gone"] = code_of(lambda: client.get_logged_model(first.model_id))
client.restore_run(first.run_id)
told["back"] = mlflow.pyfunc.load_model(first.model_uri).predict(rows)
client.delete_logged_model(first.model_id)
told["deleted"] = code_of(lambda: client.get_logged_model(first.model_id))
print(json.dumps(told))
