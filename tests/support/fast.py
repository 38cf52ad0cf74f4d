"""`pytest --fast`: the tests that start neither TensorFlow nor a browser, nor any process, on SQLite.

The imports of a file decide whether it is one of them. While it runs, a fixture refuses to start a process.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: A file that imports one of these starts something.
STARTS = (
    "tensorflow",
    "keras",
    "subprocess",
    "multiprocessing",
    "playwright",
    "hatch_build",
    "worker.child_process",
    "tests.support.processes.Process",
)
#: Imported for other things too: what it starts is seen by the name that is imported from it.
SHARED = ("tests.support.processes", "tests.support.fast")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="only what starts no TensorFlow, browser, process or server")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("fast"):
        sys.modules.update({"tensorflow": None, "keras": None})  # type: ignore[dict-item]  # so Python refuses both


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    is_test = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if is_test and config.getoption("fast") and starts_something(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item], config: pytest.Config) -> None:
    if not config.getoption("fast"):
        return
    slow = [item for item in items if item.get_closest_marker("slow") or "postgres" in item.name]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


@pytest.fixture(autouse=True)
def nothing_starts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start a process in a fast test."""
    if request.config.getoption("fast"):
        monkeypatch.setattr(subprocess.Popen, "__init__", _refuse)


@cache
def starts_something(path: Path) -> bool:
    """Whether a file of tests, or a helper that it imports, imports one of STARTS."""
    names = set(_imports(ast.parse(path.read_text())))
    if any(name == one or name.startswith(one) for name in names for one in STARTS):
        return True
    helpers = (ROOT / f"{name.replace('.', '/')}.py" for name in names if name.startswith("tests."))
    return any(helper.is_file() and starts_something(helper) for helper in helpers)


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield each module that is imported, and each name out of one; also those that are imported or skipped."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from () if node.module in SHARED else (node.module,)
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "importorskip":
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def _refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("a fast test starts no process: mark it `slow`, or import subprocess in its file")
