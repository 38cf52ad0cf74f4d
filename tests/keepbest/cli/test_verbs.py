"""Every verb that reads or commands, against the real tracker."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from keepbest.cli.common.errors import Exit
from keepbest.contract.access import TokenRequest
from keepbest.contract.base import new_id
from keepbest.contract.runs import ExternalSource, RecipeSource, Run, RunError, RunRequest
from keepbest.status import RunState
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live, now

pytestmark = pytest.mark.usefixtures("signed_in")

HOSTILE = "\x1b[2J\x9b31m[red]evil[/red]\u202e"


def submit(live: Live, **asked: object) -> Run:
    with live.client() as client:
        return client.submit(RunRequest.model_validate({"source": RecipeSource(name="hvass-cnn"), **asked}))


def find(live: Live, run: str) -> Run:
    with live.client() as client:
        return client.run(run)


def trained(live: Live, worker: FakeWorker) -> Run:
    """A finished run with two validations and a checkpoint."""
    run = submit(live, name="first")
    worker.claim().report_validation(100, 0.9, improved=True, best_step=100, best_value=0.9, message="better than none")
    worker.checkpoint(100, 0.9)
    worker.report_validation(200, 0.8, wait=100, stop=True, reason="patience", message="no better look for 100 steps")
    worker.log(f"epoch 1 {HOSTILE}\r\n")
    worker.finish(stop_reason="patience", stop_message="no better look for 100 steps")
    return run


# Looking


def test_ls(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    submit(live, project="other", name="second")
    lines = keepbest("ls").out.splitlines()
    assert " ".join(lines[0].split()) == "id project # name state best @ step last patience left ends within age"
    assert [line.split()[0] for line in lines[1:]][1] == run.id
    assert "finished (patience)" in lines[2]
    assert "0.9 @ 100" in lines[2]
    assert len(keepbest("ls", "-p", "other").out.splitlines()) == 2
    assert len(keepbest("ls", "-s", "finished", "-s", "failed").out.splitlines()) == 2
    assert [one["name"] for one in keepbest("ls", "--sort", "created", "-a", "--json").json["runs"]] == [
        "first",
        "second",
    ]


def test_ls_of_nothing_names_the_next_step(keepbest: Keepbest) -> None:
    assert "keepbest submit" in keepbest("ls").out


def test_an_empty_filtered_ls_does_not_say_there_is_nothing(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), tags=["a paper"], project="digits"))
    assert len(keepbest("ls", "PAPER").out.splitlines()) == 2
    assert keepbest("ls", "xyz").out == "No run fits 'xyz'. All of them: keepbest ls\n"
    assert keepbest("ls", "-s", "failed").out == "No run fits. All of them: keepbest ls\n"


def test_the_next_page_is_the_command_that_ls_says(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    ids = [submit(live, name=f"my run {number}").id for number in range(5)]
    seen, line = [], ["ls", "my run", "-n", "2", "-s", "queued", "--sort", "name", "-a"]
    while line:
        page = keepbest(*line)
        seen += [row.split()[0] for row in page.out.splitlines()[1:]]
        said = page.err.partition("next: keepbest ")[2]
        line = shlex.split(said)
    assert seen == ids


def test_ls_sorted_by_nonsense(keepbest: Keepbest) -> None:
    failed = keepbest("ls", "--sort", "bst")
    assert (failed.status, "field: sort" in failed.err, "best" in failed.err) == (Exit.USAGE, True, True)


def test_show(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    shown = keepbest("show", run.id[:5]).out
    for words in ("first  #1 in default", "finished (patience)", "val_accuracy 0.9 @ 100", "recipe hvass-cnn", "mill"):
        assert words in shown
    assert keepbest("show", run.id, "--json").json["id"] == run.id


def test_show_says_what_memory_holds_while_it_trains(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = submit(live)
    held = [{"id": new_id(), "step": step, "size_bytes": 2**20, "is_best": step == 100} for step in (100, 1200)]
    memory = {"budget_bytes": 2**30, "held_bytes": 3 * 2**19, "snapshots": held}
    worker.claim().say(progress={"memory": memory, "at": now()})
    assert "step 100 (best), 1,200; 1.6 MB of 1.1 GB" in keepbest("show", run.id).out
    assert keepbest("show", run.id, "--json").json["memory"] == memory
    worker.finish()
    assert keepbest("show", run.id, "--json").json["memory"] is None


def test_show_validations(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    lines = keepbest("show", run.id, "--validations").out.splitlines()
    assert lines[0].split() == ["step", "val_accuracy", "n", "wait", "left", "took", "checkpoint", "decision"]
    assert lines[1].split()[:3] == ["100", "0.9", "best"]
    assert lines[2].endswith("no better look for 100 steps")
    assert [validation["step"] for validation in keepbest("show", run.id, "--validations", "--json").json] == [100, 200]


def test_a_failed_run_shows_its_error(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = submit(live)
    error = RunError(code="code_failed", message=f"ValueError: {HOSTILE}", hint="Mend it.", traceback="line 3\nline 4")
    worker.claim().finish("failed", error=error)
    shown = keepbest("show", run.id).out
    assert "code_failed: ValueError: \\x1b[2J\\x9b31m[red]evil[/red]\\u202e" in shown
    assert "line 3\nline 4" in shown


@pytest.mark.parametrize(
    ("run", "status"), [("zzzzzz", Exit.NOT_FOUND), ("zz", Exit.NOT_FOUND), ("../x", Exit.NOT_FOUND)]
)
def test_no_such_run(keepbest: Keepbest, run: str, status: Exit) -> None:
    failed = keepbest("show", run)
    assert failed.status == status
    assert "next: `keepbest ls`" in failed.err or "error:" in failed.err


def test_an_id_that_begins_two_runs_names_both(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    found = submit(live)
    failed = keepbest("show", found.id[:3])
    assert failed.status != 0
    assert "Traceback" not in failed.err


def test_watch_a_run_that_has_ended(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    watched = keepbest("watch", run.id)
    assert watched.status == 0
    assert "step      100  val_accuracy 0.9  * best" in watched.out
    assert "stop: no better look for 100 steps" in watched.out
    assert f"keepbest restore {run.id} --best" in watched.out
    lines = keepbest("watch", run.id, "--json").out.splitlines()
    assert len(lines) == 3


def test_watching_ends_with_the_runs_status(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = submit(live)
    worker.claim().finish("failed", error=RunError(code="code_failed", message="It broke."))
    watched = keepbest("watch", run.id)
    assert (watched.status, "error: It broke." in watched.err) == (Exit.RUN_FAILED, True)
    cancelled = submit(live)
    assert keepbest("cancel", cancelled.id).status == 0
    assert keepbest("watch", cancelled.id).status == Exit.RUN_CANCELLED


def test_logs_are_cleaned(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    assert keepbest("logs", run.id).out == "epoch 1 \\x9b31m[red]evil[/red]\\u202e\n"
    assert keepbest("logs", "-f", run.id).status == 0
    assert "\\u009b" in keepbest("logs", run.id, "--json").out


def test_show_does_not_speak_of_what_a_script_never_did(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    with live.client() as client:
        script = client.submit(RunRequest(source=ExternalSource(), monitor="val_loss"))
    told = keepbest("show", script.id).out
    assert ("a validation each" in told, "seed" in told) == (False, False)
    assert "a validation each 100 steps" in keepbest("show", submit(live).id).out


def test_checkpoints(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    lines = keepbest("checkpoints", run.id).out.splitlines()
    assert lines[1].split()[1:5] == ["100", "0.9", "best", "best"]
    checkpoint = lines[1].split()[0]
    assert "best, pinned" in keepbest("checkpoints", run.id, "--pin", checkpoint).out
    assert "pinned" not in keepbest("checkpoints", run.id, "--unpin", checkpoint).out
    assert keepbest("checkpoints", run.id, "--json").json["checkpoints"][0]["id"] == checkpoint
    assert keepbest("checkpoints", run.id, "--pin", "zzzzzzzzzzzz").status == Exit.NOT_FOUND


def test_workers_and_recipes(keepbest: Keepbest, worker: FakeWorker) -> None:
    assert keepbest("workers").out.splitlines()[1].split()[:4] == ["mill", "alive", "0", "of"]
    assert keepbest("workers", "--json").json["workers"][0]["name"] == "mill"
    assert "hvass-cnn" in keepbest("recipes").out
    shown = keepbest("recipes", "hvass-cnn").out
    assert "learning_rate" in shown
    assert "patience(steps=1000)" in shown
    assert keepbest("recipes", "hvass-cnn", "--json").json["name"] == "hvass-cnn"
    assert keepbest("recipes", "nope").status == Exit.NOT_FOUND


# Commanding


def test_stop_is_asked_for(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    submit(live)
    worker.claim()
    asked = keepbest("stop", worker.run, "--wait", "0")
    assert (asked.status, "stop of" in asked.out, "requested" in asked.out) == (0, True, True)
    assert keepbest("stop", worker.run, "--wait", "0", "--json").json["kind"] == "stop"


def test_commands_to_a_run_that_has_ended(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    run = trained(live, worker)
    for command in (["stop"], ["rollback"], ["cancel"]):
        failed = keepbest(*command, run.id)
        assert (failed.status, "error: " in failed.err) == (Exit.ERROR, True), command
    assert f"next: keepbest resume {run.id} --to best" in keepbest("rollback", run.id).err
    assert f"`keepbest resume {run.id}`" in keepbest("stop", run.id).err


def test_several_runs_are_cancelled_at_once(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    ids = [submit(live, name=name).id for name in ("one", "two")]
    unknown = keepbest("cancel", ids[0], "zzzz")
    assert (unknown.status, keepbest("ls", "-s", "cancelled", "--json").json["runs"]) == (Exit.NOT_FOUND, [])
    assert keepbest("cancel", ids[0]).status == 0
    done = keepbest("cancel", *ids)  # one of which has ended
    assert (done.status, done.out.count(": done")) == (Exit.ERROR, 1)
    assert f"Run {ids[0]} is cancelled" in done.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--to", "worst"], "--to takes only 'best'"),
        (["--to", "best", "--step", "3"], "exclude each other"),
        (["--checkpoint", "nope"], "checkpoint: "),
        (
            ["--learning-rate", "a tenth"],
            "learning_rate: a number like 3e-5, or a multiple of the old rate like 0.1x",
        ),
    ],
)
def test_rolling_back_to_nowhere(keepbest: Keepbest, live: Live, options: list[str], told: str) -> None:
    failed = keepbest("rollback", "zzzzzz", *options)
    assert failed.status == Exit.USAGE
    assert told in failed.err


def test_rollback_to_best(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    submit(live)
    worker.claim().report_validation(100, 0.9, improved=True)
    worker.checkpoint(100, 0.9)
    asked = keepbest("rollback", worker.run, "--wait", "0", "--json").json
    assert (asked["kind"], asked["arguments"]["to"]) == ("roll_back", "best")
    how = ["--step", "100", "--learning-rate", "0.1x", "--max-steps", "900", "--reset-patience"]
    asked = keepbest("rollback", worker.run, *how, "--wait", "0", "--json").json
    changes = {"learning_rate": "0.1x", "max_steps": 900, "reset_patience": True}
    assert asked["arguments"] == {"step": 100, **changes}


def test_rm_asks_first(keepbest: Keepbest, live: Live, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(live, worker)
    living = submit(live)
    assert keepbest("rm", living.id, "-y").status == Exit.USAGE
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert keepbest("rm", run.id).status == Exit.INTERRUPTED
    assert find(live, run.id).state is RunState.FINISHED
    assert keepbest("rm", run.id, "--yes").out == f"Deleted {run.id}.\n"
    assert keepbest("show", run.id).status == Exit.NOT_FOUND


# Access


def test_tokens(keepbest: Keepbest, live: Live) -> None:
    made = keepbest("token", "add", "laptop", "--role", "viewer", "--days", "3")
    assert made.out.strip().startswith("kb")
    assert "shows it only now" in made.err
    row = next(line for line in keepbest("token", "ls").out.splitlines() if "laptop" in line)
    assert "viewer" in row
    assert keepbest("token", "rm", row.split()[0]).status == 0
    assert "laptop" not in keepbest("token", "ls").out
    assert made.out.strip() not in keepbest("token", "ls", "--json").out


def test_users_and_projects(keepbest: Keepbest) -> None:
    assert "Added bob" in keepbest("user", "add", "bob", "--role", "viewer").out
    assert "disabled" not in keepbest("user", "ls").out
    assert keepbest("user", "disable", "bob").status == 0
    assert "disabled" in keepbest("user", "ls").out
    assert keepbest("user", "add", "bob").status == Exit.ERROR
    assert keepbest("project", "add", "digits", "--description", "x").out == "Made project digits.\n"
    assert "digits" in keepbest("project", "ls").out
    assert keepbest("project", "ls", "--json").json["projects"][0]["description"] == "x"
    refused = keepbest("project", "add", "../x")
    assert (refused.status, "field: name" in refused.err) == (Exit.USAGE, True)


def test_a_token_that_is_worth_nothing(keepbest: Keepbest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_TOKEN", "kb_secret_wrong")
    failed = keepbest("ls")
    assert (failed.status, "keepbest login" in failed.err) == (Exit.NO_ACCESS, True)
    assert "kb_secret_wrong" not in failed.err + failed.out


def test_a_role_that_may_not(keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_TOKEN", live.worker)
    assert keepbest("user", "ls").status == Exit.NO_ACCESS


def test_login_with_a_token(keepbest: Keepbest, live: Live, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPBEST_TOKEN")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{live.admin}\n"))
    done = keepbest("login", live.url)
    assert "as ada (admin)" in done.out
    assert live.admin not in done.out + done.err
    monkeypatch.delenv("KEEPBEST_URL")
    assert keepbest("ls").status == 0
    assert (home / "config.toml").stat().st_mode & 0o777 == 0o600


def test_login_with_a_link(keepbest: Keepbest, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KEEPBEST_TOKEN")
    with live.client() as client:
        link = live.url + client.make_sign_in_link().path
    assert "as ada (admin)" in keepbest("login", link).out
    assert keepbest("ls").status == 0
    assert keepbest("login", link).status == Exit.NO_ACCESS


def test_a_wrong_token_is_not_kept(keepbest: Keepbest, live: Live, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("kb_wrong\n", "\n", "kb wrong\x1b\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(wrong))
        assert keepbest("login", live.url).status in (Exit.NO_ACCESS, Exit.USAGE)
    assert not (home / "config.toml").exists()


def test_doctor(keepbest: Keepbest, live: Live, worker: FakeWorker, home: Path) -> None:
    found = {one["name"]: one["state"] for one in keepbest("doctor", "--json").json}
    assert {name: found[name] for name in ("tracker", "database", "token", "workers", "disk", "folder")} == {
        "tracker": "ok", "database": "ok", "token": "ok", "workers": "ok", "disk": "ok", "folder": "ok",
    }  # fmt: skip
    home.mkdir()
    (home / "admin-token").write_text("x")
    (home / "admin-token").chmod(0o644)
    sick = keepbest("doctor")
    assert sick.status == Exit.ERROR
    assert "chmod 600" in sick.out


def test_doctor_without_a_tracker(keepbest: Keepbest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:9")
    sick = keepbest("doctor")
    assert sick.status == Exit.ERROR
    assert "fail  tracker" in sick.out


def test_a_viewer_cannot_submit(
    keepbest: Keepbest, live: Live, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live.client() as client:
        secret = client.make_token(TokenRequest.model_validate({"name": "v", "role": "viewer"})).secret
    monkeypatch.setenv("KEEPBEST_TOKEN", str(secret))
    assert keepbest("submit", "hvass-cnn").status == Exit.NO_ACCESS


def test_live_on_a_terminal(
    keepbest: Keepbest, live: Live, worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, markup=False, emoji=False, highlight=False)
    monkeypatch.setattr("keepbest.cli.runs.watch.is_terminal", lambda: True)
    monkeypatch.setattr("keepbest.cli.common.output.new_console", lambda: console)
    run = submit(live, max_steps=1000)
    worker.claim().report_validation(100, 0.9, improved=True, best_step=100, best_value=0.9, patience_left=1000)
    worker.report_validation(200, 0.8, wait=100, patience_left=900)
    worker.report_validation(
        300, 0.7, wait=200, stop=True, reason="patience", message=f"enough {HOSTILE}", patience_left=800
    )
    worker.finish(stop_reason="patience")
    assert keepbest("watch", run.id).status == 0
    shown = screen.getvalue()
    assert "step      100  val_accuracy 0.9  * best" in shown
    assert "step      200" not in shown.replace("step 200", "")
    assert "800 of 1,000 steps left" in shown
    assert "[red]evil[/red]" in shown
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
