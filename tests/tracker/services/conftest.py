"""The settings and the checkpoint store of a tracker whose services work on both database and store."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.checkpoint import Store
from tracker.settings import TrackerSettings


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> TrackerSettings:
    return TrackerSettings(dir=tmp_path, database_url=database_url)


@pytest.fixture
def store(settings: TrackerSettings) -> Store:
    return Store(settings.store)
