"""What every test gets: a clean environment, no way to other machines, databases, processes."""

from __future__ import annotations

pytest_plugins = [
    "tests.support.environment",
    "tests.support.network",
    "tests.support.processes",
    "tests.support.databases",
]
