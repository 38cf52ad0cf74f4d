"""`keepbest import mlflow`: from a folder, from a server, twice, and from what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live
from tests.support.mlflow_store import write, write_store

pytestmark = pytest.mark.usefixtures("signed_in")


def test_a_folder_comes_once(keepbest: Keepbest, live: Live, tmp_path: Path) -> None:
    store = write_store(tmp_path / "mlruns")
    write(store / "models" / "best", **{"meta.yaml": "name: best\n"})
    (look,) = keepbest("import", "mlflow", store, "--dry-run", "--json").json["runs"]
    assert (look["status"], look["points"], look["files"], look["run"]) == ("would_come", 3, 1, None)
    first = keepbest("import", "mlflow", store)
    assert first.status == 0
    assert "1 run came: 3 points, 1 file (5 B)." in first.out
    assert "val_loss min (guessed)" in first.out
    assert "registered models: best" in first.err
    (outcome,) = keepbest("import", "mlflow", store, "--json").json["runs"]
    assert (outcome["status"], outcome["validations"], outcome["project"]) == ("there", 3, "vision/one")
    shown = keepbest("show", outcome["run"]).out
    assert f"from mlflow: {'a' * 32} in {store}" in shown
    with live.client() as client:
        run = client.run(outcome["run"])
        assert (run.notes, run.spec.parameters, run.created_by) == ("my notes", {"lr": "0.1"}, "ada")
        assert [file.path for file in client.files.list(run.id).artifacts] == ["plots/a/txt"]


def test_a_server_gives_what_it_has(
    keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server is keepbest's own interface of MLflow's."""
    (first,) = keepbest("import", "mlflow", write_store(tmp_path / "mlruns"), "--json").json["runs"]
    refused = keepbest("import", "mlflow", live.url, "--project", "copy")
    assert (refused.status != 0, "MLFLOW_TRACKING_TOKEN" in refused.err) == (True, True)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", live.admin)

    def copy() -> dict[str, object]:
        outcomes = keepbest("import", "mlflow", live.url, "--project", "copy", "--json").json["runs"]
        return next(outcome for outcome in outcomes if outcome["source"] == first["run"])

    outcome, again = copy(), copy()
    assert [outcome[name] for name in ("status", "points", "files", "validations")] == ["new", 3, 1, 3]
    assert (again["status"], again["run"]) == ("there", outcome["run"])


@pytest.mark.parametrize("source", ["nothing", "postgresql://host/db", "sqlite:///nothing.db"])
def test_what_is_no_store_is_refused(keepbest: Keepbest, source: str) -> None:
    result = keepbest("import", "mlflow", source)
    assert result.status != 0
    assert result.out == ""
    assert "source" in result.err
