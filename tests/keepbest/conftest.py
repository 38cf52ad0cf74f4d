"""What the tests of the library share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.keepbest.tiny_tracker import TinyTracker, tiny_tracker


@pytest.fixture
def tracker() -> Iterator[TinyTracker]:
    with tiny_tracker() as tracker:
        yield tracker
