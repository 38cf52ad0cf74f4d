"""Runs that are a user's own command: who may run them, what is settled of them, what their script adds."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from keepbest.client.bundle import digest_of
from keepbest.contract.batches import Batch, Declared, Progress
from keepbest.contract.policies import PolicySpec
from keepbest.contract.runs import Mode
from keepbest.contract.workers import Claim
from keepbest.errors import InvalidInput
from tests.keepbest.client.test_bundle import archive
from tests.support.store import LEASE_SECONDS, NOW, WORKER, claim, hello, submit, submit_external
from tracker.store import bundles, claims, ingest, runs
from tracker.store.ingest import Delivery
from tracker.store.runs import RunRow

CODE = archive(("train.py", b""))


def submit_command(conn: Connection, *argv: str, **asked: Any) -> RunRow:
    bundles.add_bundle(conn, bundles.check(CODE), user="ada", now=NOW)
    source = {"kind": "command", "bundle": digest_of(CODE), "argv": list(argv or ("python", "train.py"))}
    return submit(conn, source=source, **asked)


def test_only_a_worker_that_runs_code_gets_a_command(conn: Connection) -> None:
    run = submit_command(conn)
    careful = Claim(worker=hello(conn, recipes_only=True))
    assert claims.claim(conn, careful, by=WORKER, seconds=LEASE_SECONDS, now=NOW) is None
    assert claim(conn, hello(conn)).run.id == run.id


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (("python", "src/train it!.py", "--lr"), "train-it"),
        (("/usr/bin/make",), "make"),
        (("\x1b[31m<b>.py",), "31m-b"),
        (("…",), "command"),
    ],
)
def test_a_command_is_named_after_its_script(conn: Connection, argv: tuple[str, ...], name: str) -> None:
    assert submit_command(conn, *argv).name.rpartition("-")[0] == name


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"parameters": {"lr": 1}}, "parameters"), ({"data": "mnist"}, "data"), ({"id": "a" * 12}, "id")],
)
def test_what_a_command_cannot_have_is_refused(conn: Connection, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        submit_command(conn, **asked)
    assert raised.value.field == field


def test_its_code_must_be_there(conn: Connection) -> None:
    with pytest.raises(InvalidInput, match="no bundle"):
        submit(conn, source={"kind": "command", "bundle": "0" * 64, "argv": ["x"]})


@pytest.mark.parametrize("argv", [[], [" "], ["x\0"], ["x" * 8193], ["x"] * 501])
def test_commands_are_limited(conn: Connection, argv: list[str]) -> None:
    with pytest.raises(ValueError, match="argv"):
        submit(conn, source={"kind": "command", "bundle": "0" * 64, "argv": argv})


def test_its_script_says_what_the_submission_did_not(conn: Connection) -> None:
    """A command may say nothing at all: it runs as soon as its worker says so."""
    run = submit_command(conn, monitor="score", mode=Mode.MAX)
    assert run.spec["source"]["fixed"] == ["monitor", "mode"]
    taken = claim(conn, hello(conn))
    run = declare(conn, run, taken.lease.token, max_steps=9, parameters={"lr": 0.1})
    assert (run.state, run.started_at, run.segment, run.mode) == ("running", NOW, None, "max")
    shown = runs.show_run(run).spec
    assert (shown.monitor, shown.mode, shown.max_steps, shown.parameters) == ("score", "max", 9, {"lr": 0.1})
    assert (shown.stopper.params["checks"], shown.stopper.params["min_delta"]) == (3, 0.0)


def test_a_script_says_what_its_callback_watches(conn: Connection) -> None:
    """A script's init said nothing, its KeepBest("val_accuracy"): its run was shown with a best val_loss of 0.795."""
    run = submit_external(conn)
    assert run.spec["monitor"] == "val_loss"
    run = declare(conn, run, claim(conn, run=run.id).lease.token)
    shown = runs.show_run(run).spec
    assert (shown.monitor, run.mode, shown.stopper.params["checks"]) == ("other", "min", 3)


def declare(conn: Connection, run: RunRow, token: str, **more: Any) -> RunRow:
    """Let the run's script say what it watches, and which stopper it has."""
    stopper = PolicySpec(name="patience", params={"checks": 3})
    said = Declared(monitor="other", mode=Mode.MIN, stopper=stopper, **more)
    progress = Progress(declared=said, environment={"host": "mill"}, at=NOW)
    records = Batch(writer="0" * 12, number=1, progress=progress)
    ingest.take(conn, run.id, token, Delivery("0" * 12, 1, (), records), NOW)
    return runs.get_run(conn, run.id)
