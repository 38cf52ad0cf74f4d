"""The houses keep their floors (docs/explanation/architecture.md); each rule fails on a source that breaks it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.architecture import (
    FILE_LINES,
    FUNCTION_LINES,
    RULES,
    Sources,
    broken_ancestors,
    broken_cycles,
    broken_environment,
    broken_floors,
    broken_lengths,
    broken_libraries,
    broken_loads,
    broken_names,
    broken_privates,
    broken_rooms,
    broken_test_names,
    broken_waits,
    read_sources,
)
from tests.support.processes import ROOT

Rule = Callable[[Sources], Iterator[str]]
HOUSES = ("keepbest", "tracker", "worker", "migrations")
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES + 1)

BREAKS: list[tuple[Rule, dict[str, str], str]] = [
    (broken_floors, {"keepbest.errors": "from keepbest.cli import main"}, "from a floor above"),
    (
        broken_floors,
        {"keepbest.errors": "from keepbest import cli", "keepbest.cli": ""},
        "imports keepbest.cli from a floor",
    ),
    (broken_floors, {"keepbest.snapshots.state": "def f():\n    import keepbest.keras"}, "from a floor above"),
    (
        broken_floors,
        {"keepbest.errors": "from . import tracking", "keepbest.tracking": ""},
        "imports keepbest.tracking from",
    ),
    (broken_floors, {"tracker.store": "", "tracker.store.runs": "from ..api import access"}, "imports tracker.api"),
    (broken_floors, {"keepbest.tracking": "from keepbest import validation"}, "imports keepbest itself"),
    (broken_floors, {"keepbest.client.client": "import tracker.store"}, "keepbest must not know tracker"),
    (broken_floors, {"keepbest.cli": "import worker.agent"}, "keepbest must not know worker"),
    (broken_floors, {"worker.agent": "from tracker.store import runs"}, "worker must not know tracker"),
    (broken_floors, {"tracker.app": "from worker import recipes"}, "tracker must not know worker"),
    (broken_rooms, {"keepbest.attic": ""}, "keepbest.attic has no floor"),
    (
        broken_cycles,
        {"keepbest.tracking": "import keepbest.journal", "keepbest.journal": "import keepbest.tracking"},
        "a cycle",
    ),
    (broken_cycles, {"tracker.a": "def f():\n    import tracker.b", "tracker.b": "import tracker.a"}, "a cycle"),
    (broken_libraries, {"tracker.api.runs": "from sqlalchemy import select"}, "know SQLAlchemy"),
    (broken_libraries, {"keepbest.client.client": "import flask"}, "that is the tracker's"),
    (broken_libraries, {"worker.agent": "import apscheduler.schedulers"}, "that is the tracker's"),
    (broken_libraries, {"keepbest.snapshots.state": "def f():\n    import pickle"}, "can run code"),
    (broken_environment, {"tracker.app": "import os\nx = os.environ['A']"}, "reads os.environ"),
    (broken_environment, {"tracker.app": "import os\nx = os.getenv('A')"}, "reads os.getenv"),
    (broken_environment, {"tracker.app": "from os import environ"}, "imports the environment"),
    (broken_loads, {"keepbest.snapshots.state": "load(path, allow_pickle=True)"}, "allow_pickle=True"),
    (broken_loads, {"keepbest.snapshots.state": "load(path, safe_mode=False)"}, "safe_mode=False"),
    (broken_lengths, {"keepbest.snapshots.state": LONG_FUNCTION}, f"f has {FUNCTION_LINES + 1} lines"),
    (broken_lengths, {"keepbest.snapshots.state": "x = 1\n" * (FILE_LINES + 1)}, f"has {FILE_LINES + 1} lines"),
    (broken_privates, {"keepbest.tracking": "def f(run):\n    run._put(1)"}, "touches run._put"),
    (broken_privates, {"tracker.app": "from tracker import db\nx = db._engine.url"}, "touches db._engine"),
    (
        broken_ancestors,
        {
            "keepbest.tracking": "class Log: ...\nclass Media(Log): ...",
            "keepbest.loop": "from keepbest.tracking import Media\nclass Run(Media): ...\nclass ScriptRun(Run): ...",
        },
        "ScriptRun has 3 classes above it: Run, Media, Log",
    ),
    (broken_names, {"tracker.models": "class Trial: ...", "keepbest.contract": "class Trial: ..."}, "there is a Trial"),
    (broken_test_names, {"tests.test_it": f"def test_{'x' * 56}(): pass"}, "has 61 characters"),
    (broken_waits, {"tests.test_it": "wait_until(found, seconds=30)"}, "waits seconds=30"),
    (broken_waits, {"tests.test_it": "subprocess.run(command, timeout=2.5)"}, "waits timeout=2.5"),
    (broken_waits, {"tests.test_it": "LIMIT = 110\nsubprocess.run(command, timeout=LIMIT)"}, "waits timeout=110"),
]

HOLDS: list[tuple[Rule, dict[str, str]]] = [
    (broken_privates, {"keepbest.loop": "class A:\n    def f(self):\n        self._x = 1\ndef g(a):\n    a._x = 2"}),
    (
        broken_ancestors,
        {"keepbest.contract": "class Shape: ...\nclass A(Shape): ...\nclass B(A): ...\nclass C(B): ..."},
    ),
    (broken_names, {"keepbest.tracking.run": "class Run: ...", "keepbest.contract.runs": "class Run: ..."}),
    (broken_test_names, {"tests.test_it": f"def test_{'x' * 55}(): pass"}),
    (broken_waits, {"tests.test_it": "wait_until(found, seconds=PATIENCE); wait_until(lambda: False, seconds=0.05)"}),
    (broken_floors, {"keepbest.tracking": "from keepbest import errors", "keepbest.errors": ""}),
    (broken_floors, {"keepbest": "from keepbest.tracking import Run", "tracker.app": "import keepbest"}),
    (broken_floors, {"keepbest.stopping.policies.patience": "from keepbest.stopping.validation import Validation"}),
    (broken_cycles, {"keepbest.tracking": "import keepbest.journal", "keepbest.journal": "import keepbest.errors"}),
    (broken_libraries, {"tracker.store.runs": "import sqlalchemy", "tracker.app": "import flask"}),
    (broken_environment, {"tracker.settings": "import os\nx = os.environ['A']"}),
    (
        broken_lengths,
        {
            "keepbest.snapshots.state": LONG_FUNCTION.replace("    x", '    """x\n    """\n    x', 1).replace(
                "    x = 1\n", "", 1
            )
        },
    ),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_houses_keep_the_rule(rule: Rule) -> None:
    problems = list(rule(read_sources(ROOT, *HOUSES)))
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("rule", [broken_lengths, broken_test_names, broken_waits])
def test_tests_keep_the_rule_too(rule: Rule) -> None:
    problems = list(rule(read_sources(ROOT, "tests")))
    assert not problems, "\n".join(problems)


def test_helpers_of_tests_lie_in_one_place() -> None:
    programs = ("support", "benchmarks", "torture", "tutorials")
    files = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")]
    tests = [path for path in files if path.parts[0] not in programs]
    wrong = [path for path in tests if not path.name.startswith("test_") and path.stem not in ("conftest", "__init__")]
    assert not wrong, "move them to tests/support"


@pytest.mark.parametrize(("rule", "sources", "problem"), BREAKS)
def test_a_broken_rule_is_found(rule: Rule, sources: dict[str, str], problem: str) -> None:
    assert any(problem in found for found in rule(sources))


@pytest.mark.parametrize(("rule", "sources"), HOLDS)
def test_a_kept_rule_is_left_alone(rule: Rule, sources: dict[str, str]) -> None:
    assert list(rule(sources)) == []


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule for rule, _, _ in BREAKS} == set(RULES)


HEAVY = ("tensorflow", "keras", "numpy", "pydantic", "flask", "sqlalchemy", "typer", "rich", "urllib3")


def test_importing_keepbest_loads_nothing_heavy() -> None:
    program = f"import sys, keepbest; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
