"""What every test gets: a clean environment, no way to other machines, databases, processes."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = [
    "tests.support.environment",
    "tests.support.network",
    "tests.support.processes",
    "tests.support.databases",
    "tests.support.live",
]

# A slow machine is no failure of a law.
settings.register_profile("keepbest", deadline=None, print_blob=True)
settings.load_profile("keepbest")
