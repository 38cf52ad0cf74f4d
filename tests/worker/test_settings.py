"""The worker's settings: from the environment, checked, and what its trainers inherit."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.errors import InvalidInput
from worker import settings


def test_defaults(tmp_path: Path) -> None:
    found = settings.load({"KEEPBEST_DIR": str(tmp_path)})
    assert (found.slots, found.labels, found.recipes_only, found.data) == (1, {}, False, None)
    assert (found.folder, found.store) == (tmp_path / "worker", tmp_path / "store")
    assert found.standby
    assert found.name


def test_everything_can_be_set(tmp_path: Path) -> None:
    found = settings.load(
        {
            "KEEPBEST_DIR": str(tmp_path),
            "KEEPBEST_DATA": str(tmp_path / "data"),
            "KEEPBEST_WORKER_NAME": "gpu 1",
            "KEEPBEST_WORKER_SLOTS": "3",
            "KEEPBEST_WORKER_LABELS": "gpu=h200, site=home",
            "KEEPBEST_WORKER_RECIPES_ONLY": "1",
            "KEEPBEST_WORKER_GRACE_SECONDS": "5",
            "KEEPBEST_WORKER_STANDBY": "0",
        }
    )
    assert (found.name, found.slots, found.recipes_only, found.grace_seconds) == ("gpu 1", 3, True, 5.0)
    assert found.labels == {"gpu": "h200", "site": "home"}
    assert found.data == tmp_path / "data"
    assert not found.standby


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NAME", "../x"),
        ("SLOTS", "0"),
        ("SLOTS", "two"),
        ("SLOTS", "1.5"),
        ("LABELS", "gpu"),
        ("LABELS", "=x"),
        ("GRACE_SECONDS", "-1"),
    ],
)
def test_the_impossible_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        settings.load({"KEEPBEST_DIR": str(tmp_path), f"KEEPBEST_WORKER_{name}": value})
    assert caught.value.field == f"KEEPBEST_WORKER_{name}"


def test_another_backend_is_refused_before_anything_is_claimed(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Keras computes with jax"):
        settings.load({"KEEPBEST_DIR": str(tmp_path), "KERAS_BACKEND": "jax"})
    assert settings.load({"KEEPBEST_DIR": str(tmp_path), "KERAS_BACKEND": ""}).environ["KERAS_BACKEND"] == ""


def test_a_trainer_inherits_everything_but_the_token() -> None:
    environ = settings.trainer_environ({"KEEPBEST_TOKEN": "secret", "PATH": "/bin", "TF_CPP_MIN_LOG_LEVEL": "0"})
    assert "secret" not in environ.values()
    assert (environ["PATH"], environ["TF_CPP_MIN_LOG_LEVEL"]) == ("/bin", "0")
    assert set(settings.MALLOC) <= set(environ)
