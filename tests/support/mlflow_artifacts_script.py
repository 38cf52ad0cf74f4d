"""A script that keeps files with its run through MLflow's own client. Run with the Python of its environment.

It prints a line of JSON with what the client read back.
"""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import numpy as np

client = mlflow.MlflowClient()
folder = Path("folder")
(folder / "inner").mkdir(parents=True)
(folder / "empty.txt").touch()
(folder / "inner" / "räume 100%.bin").write_bytes(bytes(range(256)) * 1000)
with mlflow.start_run(run_name="files") as run:
    id = run.info.run_id
    mlflow.log_text("hello", "notes/a.txt")
    mlflow.log_dict({"a": [1, 2]}, "a.json")
    mlflow.log_dict({"a": 1}, "a.yaml")
    mlflow.log_artifact(str(folder / "empty.txt"))
    mlflow.log_artifacts(str(folder), "many")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), "picture.png")
    mlflow.log_image(np.zeros((4, 4, 3), dtype=np.uint8), key="seen", step=3, synchronous=True)
    for row in range(2):
        mlflow.log_table({"x": [row], "y": ["b"]}, "table.json")
    uri = mlflow.get_artifact_uri("many")


def walk(path: str = "") -> list[str]:
    """Return the paths of all files below a folder."""
    found = client.list_artifacts(id, path or None)
    return [each for info in found for each in (walk(info.path) if info.is_dir else [info.path])]


whole = Path(client.download_artifacts(id, ""))
binary = Path(mlflow.artifacts.download_artifacts(f"{uri}/inner/räume 100%.bin"))
try:
    mlflow.artifacts.load_text(f"runs:/{id}/none.txt")
    missing = "there"
except Exception as error:
    missing = type(error).__name__
print(
    json.dumps(
        {
            "id": id,
            "uri": uri,
            "paths": [path for path in walk() if not path.startswith("images/")],
            "images": len([path for path in walk("images") if path.endswith(".png")]),
            "sizes": {info.path: info.file_size for info in client.list_artifacts(id, "many")},
            "text": mlflow.artifacts.load_text(f"runs:/{id}/notes/a.txt"),
            "dict": mlflow.artifacts.load_dict(f"runs:/{id}/a.json"),
            "table": mlflow.load_table("table.json", run_ids=[id]).to_dict("list"),
            "picture": list(mlflow.artifacts.load_image(f"runs:/{id}/picture.png").size),
            "binary": binary.read_bytes() == (folder / "inner" / "räume 100%.bin").read_bytes(),
            "whole": len([path for path in whole.rglob("*") if path.is_file()]),
            "tags": sorted(key for key in client.get_run(id).data.tags if key.startswith("mlflow.logged")),
            "missing": missing,
        }
    )
)
