"""`keepbest alias`, and what an alias restores, against the real tracker."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepbest.checkpoint import CheckpointInfo, Store
from keepbest.checkpoint.restore import find
from keepbest.contract.runs import RecipeSource, RunRequest
from keepbest.errors import InvalidInput, NotFound
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live
from tests.support.states import make_state

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def run(live: Live) -> Iterator[str]:
    """A run of project digits with three checkpoints, the second one its best."""
    worker = live.add_worker()
    with live.client() as client:
        client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), project="digits", name="first"))
    worker.claim()
    for step, value in ((100, 0.7), (200, 0.9), (300, 0.8)):
        keep(live, worker, step, value)
    yield worker.run
    worker.client.close()


def keep(live: Live, worker: FakeWorker, step: int, value: float) -> None:
    told = CheckpointInfo(
        run=worker.run, at=datetime.now(UTC), kind="best", network='{"layers": []}', value=value,
        monitor="val_accuracy", mode="max",
    )  # fmt: skip
    written = Store(live.folder / "store").write(make_state(step, step), told)
    worker.checkpoint(step, value, id=written.manifest.id, kind="best", digest=written.digest)


def test_an_alias_is_given_listed_and_taken(keepbest: Keepbest, run: str) -> None:
    done = keepbest("alias", "set", "digits", "champion", run[:6])
    assert (done.status, done.out) == (0, f"digits@champion is first ({run}) step 200.\n"), done.err
    for target, step in (("@100", 100), ("@last", 300), ("@best", 200)):
        made = keepbest("alias", "set", "digits", "champion", f"{run}{target}", "--json").json
        assert made["target"]["step"] == step
    assert "champion" in keepbest("checkpoints", run).out
    listed = keepbest("alias", "ls", "digits", "--json").json["aliases"]
    assert [(item["name"], item["target"]["step"], item["value"]) for item in listed] == [("champion", 200, 0.9)]
    assert f"first ({run}) step 200" in keepbest("alias", "ls", "digits").out
    assert keepbest("alias", "rm", "digits", "champion").out == "digits@champion is gone.\n"
    moves = keepbest("alias", "ls", "digits", "--history", "--json").json["moves"]
    assert [move["after"] and move["after"]["step"] for move in moves] == [None, 200, 300, 100, 200]
    assert keepbest("alias", "ls", "digits", "--history").out.splitlines()[1].split()[0] == "champion"


def test_a_file_has_an_alias(keepbest: Keepbest, run: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    assert keepbest("artifacts", "put", run, tmp_path / "a.txt").status == 0
    done = keepbest("alias", "set", "digits", "notes", run, "--artifact", "a.txt")
    assert done.out == f"digits@notes is first ({run}) a.txt v1.\n"
    refused = keepbest("restore", "digits@notes", "--to", tmp_path / "x")
    assert (refused.status, f"keepbest artifacts get {run} a.txt --version 1" in refused.err) == (2, True)


def test_what_has_the_alias_is_restored(keepbest: Keepbest, live: Live, run: str, tmp_path: Path) -> None:
    keepbest("alias", "set", "digits", "champion", f"{run}@100")
    done = keepbest("restore", "digits@champion", "--to", tmp_path / "out", "--as", "npz")
    assert done.status == 0, done.err
    assert "of step 100" in done.err
    assert keepbest("checkpoint", "show", "digits@champion", "--json").json["step"] == 100
    assert find("digits@champion", live.folder / "store").step == 100
    with pytest.raises(NotFound):
        find("digits@champion", tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="leave out best"):
        find("digits@champion", live.folder / "store", best=True)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["alias", "set", "digits", "champion", "RUN@soon"], "is no step"),
        (["alias", "set", "digits", "champion", "RUN@150"], "no such checkpoint"),
        (["alias", "set", "digits", "best", "RUN"], "is no alias"),
        (["alias", "set", "digits", "champion", "RUN", "--version", "2"], "--version is of --artifact"),
        (["alias", "set", "digits", "champion", "RUN@100", "--artifact", "a"], "has no step"),
        (["alias", "rm", "digits", "champion"], "no alias 'champion'"),
        (["restore", "digits@champion", "--to", "out"], "no alias 'champion'"),
        (["restore", "nowhere@champion", "--to", "out"], "nowhere"),
    ],
)
def test_a_wrong_command_says_what_to_do(keepbest: Keepbest, run: str, command: list[str], says: str) -> None:
    done = keepbest(*(word.replace("RUN", run) for word in command))
    assert done.status != 0
    assert says in done.err
