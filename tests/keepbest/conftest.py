"""What the tests of the library share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from keepbest.checkpoint import CheckpointWriter
from tests.support.tiny_tracker import TinyTracker, tiny_tracker


@pytest.fixture
def tracker() -> Iterator[TinyTracker]:
    with tiny_tracker() as tracker:
        yield tracker


@pytest.fixture
def closed_writers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what loops opened whose runs a test never ends: their threads would outlive it."""
    made: list[CheckpointWriter] = []

    def note(*arguments: Any, **options: Any) -> CheckpointWriter:
        made.append(CheckpointWriter(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("keepbest.training.checkpoint_recorder.CheckpointWriter", note)
    yield
    assert [writer.close(20) for writer in made] == [True] * len(made)
