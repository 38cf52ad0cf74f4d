"""An unmodified client of MLflow, in an environment of its own, reports to a tracker and reads back what it said."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from keepbest.foreign.importer import Wishes, import_runs
from keepbest.foreign.mlflow.store import open_store
from tests.support.environment import clean_environment
from tests.support.live import Live
from tests.support.need import need
from tests.support.processes import PATIENCE, ROOT

pytestmark = pytest.mark.slow

#: The Python of an environment with MLflow's client.
PYTHON = Path(os.environ.get("KEEPBEST_TEST_MLFLOW", ROOT / "build" / "mlflow" / "bin" / "python"))


def run_script(live: Live, folder: Path, name: str) -> dict[str, Any]:
    """Run a script in the environment of MLflow's client, and return what it prints last."""
    need(PYTHON.exists(), "needs MLflow's client: make mlflow-client")
    variables = clean_environment(MLFLOW_TRACKING_URI=live.url, MLFLOW_TRACKING_TOKEN=live.admin)
    command = [str(PYTHON), "-P", str(ROOT / "tests" / "support" / name)]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_a_script_of_mlflow_runs_unchanged(live: Live, tmp_path: Path) -> None:
    told = run_script(live, tmp_path, "mlflow_script.py")
    id = told.pop("id")
    assert told.pop("found") == [id]
    assert told == {
        "status": "FINISHED", "name": "a/first", "params": 153, "lr": "0.1", "note": "what I try",
        "tags": ["team", "a"], "odd": ["nan", "-inf"], "many": 2500, "all": 2,
        "experiments": ["/Users/ada/mine", "Default", "renamed"],
        "deleted": ["renamed"], "tagged": {"k": "v", "k2": "v2"}, "changed": "INVALID_PARAMETER_VALUE",
        "genai": "ENDPOINT_NOT_FOUND",
    }  # fmt: skip
    shown = live.client().run(id)
    assert (shown.project, shown.name, shown.best_value, shown.best_step) == ("Users/ada/mine", "a/first", 0.6, 1)
    assert (shown.validations, shown.segment, shown.mode) == (4, 1, "min")


def test_a_script_of_mlflow_keeps_files(live: Live, tmp_path: Path) -> None:
    told = run_script(live, tmp_path, "mlflow_artifacts_script.py")
    id = told.pop("id")
    files = ["a.json", "a.yaml", "empty.txt", "many/empty.txt", "many/inner/räume 100%.bin", "notes/a.txt"]
    assert told == {
        "uri": f"mlflow-artifacts:/0/{id}/artifacts/many",
        "paths": [*files, "picture.png", "table.json"], "images": 1,
        "sizes": {"many/empty.txt": 0, "many/inner": None},
        "text": "hello", "dict": {"a": [1, 2]}, "table": {"x": [0, 1], "y": ["b", "b"]}, "picture": [4, 4],
        "binary": True, "whole": 10, "tags": ["mlflow.loggedArtifacts", "mlflow.loggedImages"],
        "missing": "MlflowException",
    }  # fmt: skip
    own = live.client().files.list(id)
    assert own.total == 10


def test_what_keras_users_scripts_send_is_judged(live: Live, tmp_path: Path) -> None:
    told = run_script(live, tmp_path, "mlflow_keras_script.py")
    first, second = told.pop("ids")
    assert told.pop("told").startswith("patience: would stop here")
    assert (told.pop("deleted"), told.pop("found"), told.pop("dataset")) == ([second], [second], ["dataset"])
    assert told == {
        "epochs": 4, "statuses": ["FINISHED", "FINISHED"], "histories": [4, 4, 4], "steps": [0, 1, 2, 3, 4],
        "checkpoint": [1], "top": ["checkpoints", "model_summary.txt", "tensorboard_logs"],
        "files": ["checkpoints/latest_checkpoint.h5", "checkpoints/latest_checkpoint_metrics.json"],
        "ordered": ["callback", "autolog"], "listed": 2,
    }  # fmt: skip
    stopped, whole = (live.client().run(id) for id in (first, second))
    assert (stopped.stop_reason, stopped.best_value, stopped.best_step, stopped.validations) == ("patience", 0.8, 1, 4)
    assert (whole.stop_reason, whole.best_value, whole.best_step, whole.validations) == (None, 0.8, 1, 5)
    assert whole.spec.stopper.policies[0].params["checks"] == 1


def test_stores_of_mlflow_are_imported(live: Live, tmp_path: Path) -> None:
    told = run_script(live, tmp_path, "mlflow_stores_script.py")
    for name, source in (("folder", str(tmp_path / "mlruns")), ("database", f"sqlite:///{tmp_path / 'mlflow.db'}")):
        store = open_store(source)
        with live.client() as client:
            outcomes = import_runs(client, store.runs(), Wishes(project=name)).runs
            again = import_runs(client, open_store(source).runs(), Wishes(project=name))
        assert again.count("there") == 3
        runs = {outcome.source: outcome for outcome in outcomes}
        first, child = (runs[told[name][key]] for key in ("first", "child"))
        assert (first.points, first.files, first.validations, first.best_step) == (1011, 1, 3, 1)
        shown = live.client().run(first.run or "")
        assert (shown.spec.parameters, shown.notes) == ({"lr": "0.1", "units": "64"}, "what I try")
        states = sorted(live.client().run(each.run or "").state.value for each in outcomes)
        assert states == ["failed", "finished", "finished"]
        assert child.points == 1
        assert any("deleted" in text for text in store.left_out())


def test_a_script_of_mlflow_logs_registers_and_loads_models(live: Live, tmp_path: Path) -> None:
    told = run_script(live, tmp_path, "mlflow_models_script.py")
    twice, thrice = [2.0, 4.0], [3.0, 6.0]
    assert told == {
        "by_id": twice, "by_run": twice, "by_version": twice, "latest": thrice, "by_alias": twice, "moved": thrice,
        "version": ["1", True], "registered": ["clf", "what it is", {"team": "vision"}, {"champion": "2"}],
        "found": ["clf"], "none": 0, "versions": ["1", "2"], "of_run": ["1"], "tags": {"a": "b"}, "alias": "2",
        "status": ["READY", "times", True], "logged": 2, "of_source": 1, "logged_tags": "v", "outputs": [True],
        "files": told["files"],
        "guarded": [
            "INVALID_PARAMETER_VALUE", "INVALID_PARAMETER_VALUE", "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST",
            "INVALID_PARAMETER_VALUE",
        ],
        "gone": "RESOURCE_DOES_NOT_EXIST", "back": twice, "deleted": "RESOURCE_DOES_NOT_EXIST",
    }  # fmt: skip
    assert "times/MLmodel" in told["files"]
