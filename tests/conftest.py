"""What every test gets: a clean environment, no way to other machines, databases, processes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import coverage
import pytest
from hypothesis import settings

pytest_plugins = [
    "pytester",
    "tests.support.fast",
    "tests.support.environment",
    "tests.support.network",
    "tests.support.processes",
    "tests.support.databases",
    "tests.support.live",
    "tests.support.routes",
]

# A slow machine is no failure of a law.
settings.register_profile("keepbest", deadline=None, print_blob=True)
settings.load_profile("keepbest")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, or the others are done and wait for it: tests with a time limit of their own."""
    items.sort(key=_limit_of, reverse=True)


def pytest_collection() -> None:
    """Look for no garbage while TensorFlow is imported: it takes a fifth of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Begin to look for garbage, and leave out what there is by now: TensorFlow and all the tests, which stay."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def tracing_goes_on() -> Iterator[None]:
    """Fail a test that takes away what measures coverage: nothing that later tests reach would count."""
    traced = sys.gettrace()
    yield
    assert sys.gettrace() is traced, "give `sys.settrace` back what it had"


def pytest_sessionfinish() -> None:
    """Save what `make coverage` measured: xdist kills a worker that takes more than 10 seconds to end."""
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.stop()
        measured.save()


def _limit_of(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0]) if marker is not None else 0
