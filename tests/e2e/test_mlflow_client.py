"""An unmodified client of MLflow, in an environment of its own, reports to a tracker and reads back what it said."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.environment import clean_environment
from tests.support.live import Live
from tests.support.need import need
from tests.support.processes import PATIENCE, ROOT

pytestmark = pytest.mark.slow

#: The Python of an environment with MLflow's client.
PYTHON = Path(os.environ.get("KEEPBEST_TEST_MLFLOW", ROOT / "build" / "mlflow" / "bin" / "python"))


def test_a_script_of_mlflow_runs_unchanged(live: Live, tmp_path: Path) -> None:
    need(PYTHON.exists(), "needs MLflow's client: make mlflow-client")
    variables = clean_environment(MLFLOW_TRACKING_URI=live.url, MLFLOW_TRACKING_TOKEN=live.admin)
    command = [str(PYTHON), "-P", str(ROOT / "tests" / "support" / "mlflow_script.py")]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    id = told.pop("id")
    assert told.pop("found") == [id]
    assert told == {
        "status": "FINISHED", "name": "a/first", "params": 153, "lr": "0.1", "note": "what I try",
        "tags": ["team", "a"], "odd": ["nan", "-inf"], "many": 2500, "all": 2,
        "experiments": ["/Users/ada/mine", "Default", "renamed"],
        "deleted": ["renamed"], "tagged": {"k": "v", "k2": "v2"}, "changed": "INVALID_PARAMETER_VALUE",
        "registry": "ENDPOINT_NOT_FOUND",
    }  # fmt: skip
    shown = live.client().run(id)
    assert (shown.project, shown.name, shown.best_value, shown.best_step) == ("Users/ada/mine", "a/first", 0.6, 1)
    assert (shown.validations, shown.segment, shown.mode) == (4, 1, "min")
