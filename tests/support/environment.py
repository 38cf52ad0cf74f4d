"""Reads the tests' own variables from the environment once, then removes every other KEEPBEST_* variable.

A developer's own tracker, token or folder must never reach a test. The tests' own variables stay: the processes that
share the work of one run (pytest-xdist) inherit them from the first.
"""

from __future__ import annotations

import os

REQUIRE_ALL = os.environ.get("KEEPBEST_REQUIRE_ALL") == "1"
TEST_DATA = os.environ.get("KEEPBEST_TEST_DATA")
BENCH_DIR = os.environ.get("KEEPBEST_BENCH_DIR")
TEST_POSTGRES = os.environ.get("KEEPBEST_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
#: Of tests with random requests: the number of requests, and their seed.
TEST_EXAMPLES = int(os.environ.get("KEEPBEST_TEST_EXAMPLES", "12"))
TEST_SEED = os.environ.get("KEEPBEST_TEST_SEED", "keepbest")

#: What steers the tests themselves.
OWN = {"KEEPBEST_REQUIRE_ALL"} | {f"KEEPBEST_TEST_{name}" for name in ("DATA", "POSTGRES", "EXAMPLES", "SEED")}
#: What slows every run down a little, or puts metrics of the machine beside the test's; its own tests turn it on.
QUIET = {"KEEPBEST_PROVENANCE": "off", "KEEPBEST_SYSTEM_CURVES": "0"}
for _name in [name for name in os.environ if name.startswith("KEEPBEST_") and name not in OWN]:
    del os.environ[_name]
os.environ.update(QUIET)


def clean_environment(**variables: str) -> dict[str, str]:
    """Return the environment for a child process: this one's, without KEEPBEST_*, with the variables given.

    The child may write bytecode: otherwise each process would compile all modules again, unlike a user's.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEEPBEST_")}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**inherited, **QUIET, "PYTHONUNBUFFERED": "1", **variables}
