"""What cannot be captured is said before the first step, by the log and by the run; a strict run does not begin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest import settings
from keepbest.checkpoint import Store
from keepbest.errors import CheckpointIncomplete, InvalidInput
from keepbest.snapshots.missing import Missing
from keepbest.training.completeness import MAX_NOTE, NO_RESUME, Completeness

LOST = Missing("Reader 'reader'", "rows", "OwnedIterator", "Make it anew.")


class Heard:
    """A run, and its recorder, that remembers what it was told to report."""

    def __init__(self) -> None:
        self.recorder = self
        self.said: list[dict[str, Any]] = []

    def report(self, **said: Any) -> None:
        self.said.append(said)


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    run: Any = Heard()
    completeness = Completeness(run)
    completeness.report(())
    completeness.report([LOST])
    completeness.report([LOST])
    said = "Reader 'reader'.rows, a OwnedIterator. Make it anew."
    assert run.said == [{"incomplete": said, "resume": "approximate", "resume_note": NO_RESUME}]
    assert caplog.text.count("Reader 'reader'.rows") == 1
    completeness.report([LOST] * 400)
    assert "and 390 more" in caplog.text
    assert len(run.said[-1]["incomplete"]) == MAX_NOTE


def test_strict() -> None:
    run: Any = Heard()
    with pytest.raises(CheckpointIncomplete, match=r"Reader 'reader'\.rows") as refused:
        Completeness(run, strict=True).report([LOST])
    assert run.said == []
    assert "--strict" in str(refused.value.hint)


def test_a_fit_goes_on_and_says_it_a_strict_one_does_not_begin(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import keras

    from keepbest.keras import KeepBest
    from tests.support.beside import holding

    def fit(strict: bool) -> Any:
        model = keras.Sequential([*holding("x", iterates=True).layers, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        keep = KeepBest("loss", store=tmp_path, strict=strict, restore_best_weights=True)
        model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0, callbacks=[keep])
        return keep

    with pytest.raises(CheckpointIncomplete, match="'holding'"):
        fit(True)
    caplog.clear()
    keep = fit(False)
    assert "Holding 'holding'.data, a OwnedIterator" in caplog.text
    (manifest,) = Store(tmp_path).manifests(keep.run.id)
    assert [(one.attribute, one.type) for one in manifest.incomplete] == [("data", "OwnedIterator")]


def test_another_backend_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from keepbest.snapshots.snapshot import ModelVariables

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(InvalidInput, match="Keras computes with jax"):
        ModelVariables(model)


def test_another_backend_is_refused_before_keras_is_imported() -> None:
    """Where it is not installed Keras would say that a module is missing, and nothing of keepbest."""
    environ = settings.child_environment(KERAS_BACKEND="torch")
    done = subprocess.run(
        [sys.executable, "-c", "import keepbest.keras"], env=environ, capture_output=True, check=False
    )
    assert done.stderr.decode().strip().splitlines()[-2:] == [
        "keepbest.errors.InvalidInput: Keras computes with torch here; keepbest keeps what TensorFlow trains.",
        "Set KERAS_BACKEND=tensorflow before Keras is imported.",
    ]
