"""The tests' own tools are tested too: a wait that never fails or a leaked process would hide everything else."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from coverage import CoverageData
from sqlalchemy import NullPool, create_engine, text
from werkzeug.routing import Map, Rule

from tests.support import need as need_module
from tests.support.coverage import rows
from tests.support.environment import OWN, QUIET, clean_environment
from tests.support.fast import starts_something
from tests.support.need import need
from tests.support.network import free_port
from tests.support.postgres import Clones, need_postgres
from tests.support.processes import ROOT, Processes, is_alive, wait_until
from tests.support.routes import compile_once
from tracker import db


def test_a_missing_part_skips_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(need_module, "REQUIRE_ALL", False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install it"):
        need(False, "apt-get install it")


def test_a_missing_part_fails_where_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(need_module, "REQUIRE_ALL", True)
    with pytest.raises(pytest.fail.Exception, match="apt-get install it"):
        need(False, "apt-get install it")


def test_nothing_may_skip_in_the_processes_that_share_the_work(processes: Processes, tmp_path: Path) -> None:
    """The first process took KEEPBEST_REQUIRE_ALL out of its environment, and those it started skipped again."""
    test = tmp_path / "test_missing.py"
    test.write_text("from tests.support.need import need\n\ndef test_it():\n    need(False, 'get it')\n")
    plugins = ("-p", "tests.support.environment", "-p", "no:cacheprovider")  # the first as conftest.py loads it
    options = ("-n", "1", "-q", *plugins, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT))
    run = processes.python("pytest", *options, test, KEEPBEST_REQUIRE_ALL="1")
    assert run.wait() == 1, run.output
    assert "1 failed" in run.output


def test_a_killed_worker_has_saved_what_it_measured(processes: Processes, tmp_path: Path) -> None:
    """Xdist kills a worker that needs more than 10 seconds to end: the lines that its tests reached were lost."""
    script, data = tmp_path / "worker.py", tmp_path / "data"
    script.write_text(
        "import os\nfrom tests.conftest import pytest_sessionfinish\npytest_sessionfinish()\nos._exit(0)\n"
    )
    options = ("run", f"--data-file={data}", "--rcfile=", f"--include={script}")
    assert processes.python("coverage", *options, script, PYTHONPATH=str(ROOT)).wait() == 0
    measured = CoverageData(str(data))
    measured.read()
    assert measured.lines(str(script)) == [1, 2, 3]


def test_no_variable_of_the_person_reaches_a_test() -> None:
    product = {name: value for name, value in os.environ.items() if name.startswith("KEEPBEST_") and name not in OWN}
    assert product == QUIET
    assert {name: value for name, value in clean_environment().items() if name.startswith("KEEPBEST_")} == QUIET
    assert clean_environment(KEEPBEST_DIR="/d")["KEEPBEST_DIR"] == "/d"


def test_other_machines_are_out_of_reach() -> None:
    with socket.socket() as stranger, pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        stranger.connect(("192.0.2.1", 80))


def test_this_machine_is_within_reach() -> None:
    with socket.socket() as nobody, pytest.raises(ConnectionRefusedError):
        nobody.connect(("127.0.0.1", free_port()))


def test_waiting_has_an_end() -> None:
    with pytest.raises(AssertionError, match=r"the door did not come true within 0\.05 s"):
        wait_until(lambda: False, seconds=0.05, what="the door")


def test_a_process_keeps_its_output_and_its_exit_code(processes: Processes) -> None:
    process = processes.start("sh", "-c", "echo out; echo err >&2; exit 3")
    assert process.wait() == 3
    assert process.output == "out\nerr\n"


def test_a_process_that_ends_early_fails_the_wait(processes: Processes) -> None:
    process = processes.start("sh", "-c", "echo no such file; exit 1")
    with pytest.raises(AssertionError, match=r"ended with 1 before the output 'ready'; its output:\nno such file"):
        process.wait_for_output("ready")


def test_the_whole_group_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    parent = processes.start("sh", "-c", "sleep 60 & echo $!; wait")
    child = int(parent.wait_until(lambda: parent.output.strip()))
    processes.stop_all()
    wait_until(lambda: not is_alive(child), what="the child's end")


def test_a_database_comes_with_the_schema(database_url: str) -> None:
    engine = db.make_engine(database_url)
    db.check_schema(engine)
    engine.dispose()


def test_an_empty_database_comes_without(empty_database_url: str) -> None:
    engine = db.make_engine(empty_database_url)
    with db.read(engine) as conn:
        assert db.schema_revision(conn) is None
    engine.dispose()


def test_coverage_is_counted_by_package() -> None:
    summary: dict[str, Any] = dict.fromkeys(("covered_lines", "num_statements", "covered_branches", "num_branches"), 2)
    summary["percent_covered_display"] = "100"
    missed = {"num_statements": 4, "num_branches": 6, "missing_lines": 2, "missing_branches": 4}
    measured = {"a/b.py": summary, "a/c.py": summary | missed, "d/e.py": {"num_statements": 0}}
    files = {name: {"summary": part} for name, part in measured.items()}
    assert [" ".join(row.split()) for row in rows(files)] == [
        "a 57.1 % 2 lines 4 branches missed",
        "d 100.0 % 0 lines 0 branches missed",
        "all 57.1 % 2 lines 4 branches missed",
    ]


@pytest.fixture
def lent(postgres_clones: Clones | None) -> Iterator[tuple[Clones, str]]:
    """Lend a database that a test has written to, and the one who lends it."""
    need_postgres()
    assert postgres_clones is not None
    clones = Clones(postgres_clones.template)
    with clones.take() as url:
        run_on(url, "INSERT INTO projects (name, description, created_at, next_number) VALUES ('p', '', now(), 1)")
    yield clones, url
    clones.close()


def run_on(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(statement))


def test_a_database_is_empty_for_the_next_test(lent: tuple[Clones, str]) -> None:
    clones, url = lent
    with clones.take() as again:
        assert again == url
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            assert connection.execute(text("SELECT count(*) FROM projects")).scalar() == 0
            assert connection.execute(text("SELECT nextval('projects_pk_seq')")).scalar() == 1


@pytest.mark.parametrize(
    "change", ["ALTER TABLE runs ADD COLUMN x int", "UPDATE alembic_version SET version_num = '0'"]
)
def test_a_changed_schema_is_for_no_other_test(lent: tuple[Clones, str], change: str) -> None:
    clones, url = lent
    with clones.take() as again:
        assert again == url
        run_on(again, change)
    with clones.take() as other:
        assert other != url


def test_a_database_in_use_is_for_no_other_test(lent: tuple[Clones, str]) -> None:
    clones, url = lent
    engine = create_engine(url)
    with clones.take():
        held = engine.connect()
    with clones.take() as other:
        assert other != url
    held.close()
    engine.dispose()


STARTING = [
    ("import tensorflow as tf", True),
    ("def test_it():\n    import keras", True),
    ("from tests.support.processes import Processes", True),
    ("from tests.support.networks import dense", True),
    ("keras = pytest.importorskip('keras')", True),
    ("from tests.support.processes import ROOT", False),
    ("from keepbest.keras import KeepBest", False),
]


@pytest.mark.parametrize(("source", "starts"), STARTING)
def test_a_fast_run_leaves_out_what_starts_something(source: str, starts: bool, tmp_path: Path) -> None:
    path = tmp_path / "test_it.py"
    path.write_text(source)
    assert starts_something(path) is starts


def test_a_fast_run_refuses_what_starts_all_the_same(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import importlib

        def test_process():
            importlib.import_module("subprocess").run(["true"])

        def test_tensorflow():
            importlib.import_module("tensorflow")
        """
    )
    done = pytester.runpytest_subprocess("--fast", "-q", "-p", "tests.support.fast", "-p", "no:cacheprovider")
    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines(["*a fast test starts no process*", "*import of tensorflow halted*"])


def test_equal_routes_are_compiled_once_and_others_are_not() -> None:
    def bind(route: str, **options: Any) -> Rule:
        rule = Rule(route, endpoint="it", **options)
        Map([rule])
        return rule

    one, same, other = bind("/runs/<id>"), bind("/runs/<id>"), bind("/users/<id>")
    assert compile_once(one) is compile_once(same)
    assert len({compile_once(one), compile_once(one, False), compile_once(other)}) == 3
    first, second = (bind("/pages/<int:page>", defaults={"page": page}) for page in (1, 2))
    built = [rule.build({"id": "a b"}) for rule in (one, same, other)] + [rule.build({}) for rule in (first, second)]
    assert built == [("", path) for path in ("/runs/a%20b", "/runs/a%20b", "/users/a%20b", "/pages/1", "/pages/2")]
