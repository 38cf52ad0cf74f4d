"""The entry: every verb there, every error in words, nothing loaded that is not used."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from keepbest import errors
from keepbest.cli import main as entry
from keepbest.cli.common.errors import MEANINGS, Exit, status_of, status_of_run
from keepbest.settings import VERSION
from keepbest.status import RunState
from tests.keepbest.cli.conftest import Run
from tests.support.environment import clean_environment
from tests.support.processes import PATIENCE, ROOT


@pytest.mark.parametrize("verb", entry.VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_help(keepbest: Run, verb: entry.Verb) -> None:
    shown = keepbest(verb.name, "--help")
    assert shown.status == 0
    assert f"keepbest {verb.name}" in shown.out


def test_help_lists_every_verb(keepbest: Run) -> None:
    shown = keepbest()
    assert shown.status == 0
    assert all(f" {verb.name} " in shown.out for verb in entry.VERBS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sbmit"], "No such command 'sbmit'. Did you mean 'submit'?"),
        (["ls", "--limt", "3"], "No such option: --limt"),
        (["show"], "Missing argument 'RUN'"),
        (["ls", "--limit", "x"], "Invalid value for '--limit'"),
    ],
)
def test_a_wrong_command_line_ends_with_2(keepbest: Run, arguments: list[str], told: str) -> None:
    failed = keepbest(*arguments)
    assert failed.status == Exit.USAGE
    assert told in failed.err
    assert "next: `keepbest" in failed.err
    assert failed.out == ""


def test_an_old_option_names_the_present_one(keepbest: Run) -> None:
    failed = keepbest("show", "--looks", "0123456789ab")
    assert (failed.status, failed.out) == (Exit.USAGE, "")
    assert failed.err.splitlines() == ["error: No such option: --looks", "next: The option is now named --validations."]


def test_no_tracker(keepbest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    failed = keepbest("ls")
    assert failed.status == Exit.UNREACHABLE
    assert failed.err.splitlines()[0] == "error: No answer from the tracker at http://127.0.0.1:9: connection refused."
    assert "next: Is it running? `keepbest up`" in failed.err
    assert "Traceback" not in failed.err


def test_debug_shows_where(keepbest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KEEPBEST_DEBUG", "1")
    assert "Traceback" in keepbest("ls").err


def test_a_bug_is_an_error_too(keepbest: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("nothing")

    monkeypatch.setattr("keepbest.cli.runs.run_table.ls", broken)
    failed = keepbest("ls")
    assert (failed.status, "ZeroDivisionError" in failed.err, "Traceback" in failed.err) == (1, True, False)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput(), Exit.USAGE),
        (errors.TooLarge(), Exit.USAGE),
        (errors.NotFound(), Exit.NOT_FOUND),
        (errors.NotAuthenticated(), Exit.NO_ACCESS),
        (errors.NotAllowed(), Exit.NO_ACCESS),
        (errors.Unreachable(), Exit.UNREACHABLE),
        (errors.Busy(), Exit.UNREACHABLE),
        (errors.Conflict(), Exit.ERROR),
        (errors.CheckpointDamaged(), Exit.ERROR),
    ],
)
def test_errors_have_their_exit_status(error: errors.KeepbestError, status: Exit) -> None:
    assert status_of(error) is status


@pytest.mark.parametrize(
    ("state", "status"),
    [(RunState.FINISHED, Exit.OK), (RunState.FAILED, Exit.RUN_FAILED), (RunState.CANCELLED, Exit.RUN_CANCELLED)],
)
def test_followed_runs_have_theirs(state: RunState, status: Exit) -> None:
    assert status_of_run(state) is status


def test_every_exit_status_is_explained() -> None:
    assert set(MEANINGS) == set(Exit)
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    assert all(f"| {int(status)} | {meaning} |" in page for status, meaning in MEANINGS.items())


def test_the_version_is_the_packages(keepbest: Run) -> None:
    assert metadata.version("keepbest") == VERSION
    assert keepbest("version", "--json").json["keepbest"] == VERSION


def test_the_version_as_everybody_asks_for_it(keepbest: Run) -> None:
    """`keepbest --version`: No such option."""
    shown = keepbest("--version")
    assert (shown.status, shown.out, shown.err) == (0, f"keepbest {VERSION}\n", "")
    assert "--version" in keepbest("--help").out


def test_completion(keepbest: Run) -> None:
    assert "_KEEPBEST_COMPLETE" in keepbest("completion", "bash").out
    assert keepbest("completion", "tcsh").status == Exit.USAGE


def in_fresh_python(code: str, home: Path) -> str:
    environment = clean_environment(KEEPBEST_DIR=str(home), KEEPBEST_URL="http://127.0.0.1:9", PYTHONPATH=str(ROOT))
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    return done.stdout


def test_completing_verbs_and_options(home: Path) -> None:
    environment = clean_environment(
        KEEPBEST_DIR=str(home),
        PYTHONPATH=str(ROOT),
        _KEEPBEST_COMPLETE="complete_bash",
        COMP_WORDS="keepbest ls --",
        COMP_CWORD="2",
    )
    command = [sys.executable, "-m", "keepbest.cli.main"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "--project" in done.stdout.splitlines()


def test_a_terminal_of_another_encoding(home: Path) -> None:
    environment = clean_environment(KEEPBEST_DIR=str(home), PYTHONPATH=str(ROOT), PYTHONIOENCODING="latin-1:strict")
    command = [sys.executable, "-m", "keepbest.cli.main", "show", "数"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == Exit.UNREACHABLE
    assert b"Traceback" not in done.stderr


def test_a_reader_that_leaves_early(home: Path) -> None:
    environment = clean_environment(KEEPBEST_DIR=str(home), PYTHONPATH=str(ROOT))
    line = f"{sys.executable} -m keepbest.cli.main completion bash | head -c 1"
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, timeout=PATIENCE, check=False)
    assert done.stderr == b""


def test_a_light_verb_loads_nothing_heavy(home: Path) -> None:
    code = (
        "import sys; from keepbest.cli.main import main; main(['ls']);"
        "print([name for name in ('tensorflow', 'numpy', 'rich', 'flask', 'sqlalchemy') if name in sys.modules])"
    )
    assert in_fresh_python(code, home).splitlines()[-1] == "[]"


def test_the_version_needs_only_the_entry(home: Path) -> None:
    code = (
        "import sys; from keepbest.cli.main import main; main(['--version']);"
        "print([name for name in ('urllib3', 'numpy', 'tensorflow', 'keepbest.client.client') if name in sys.modules])"
    )
    assert in_fresh_python(code, home).splitlines() == [f"keepbest {VERSION}", "[]"]


def test_importing_keepbest_loads_nothing(home: Path) -> None:
    code = "import sys; before = set(sys.modules); import keepbest; print(sorted(set(sys.modules) - before))"
    loaded = in_fresh_python(code, home)
    assert not any(name in loaded for name in ("tensorflow", "numpy", "pydantic", "urllib3"))


def test_public_names_are_there(home: Path) -> None:
    code = "import keepbest; print(keepbest.Client, keepbest.NotFound, keepbest.__version__, 'init' in dir(keepbest))"
    assert in_fresh_python(code, home).strip().endswith(f"{VERSION} True")


def test_a_name_that_is_none() -> None:
    import keepbest

    with pytest.raises(AttributeError, match="no attribute 'initt'"):
        _ = keepbest.initt
