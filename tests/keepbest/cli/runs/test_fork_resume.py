"""`fork`, `resume` and `rm --undo`, against the real tracker."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from keepbest.checkpoint import Store
from keepbest.cli.common.errors import Exit
from keepbest.cli.runs.last_step import last_step
from keepbest.contract.runs import RecipeSource, RunRequest
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live
from tests.support.states import about, make_state

pytestmark = pytest.mark.usefixtures("signed_in")


@pytest.fixture
def ended(live: Live, worker: FakeWorker) -> str:
    """A run that stopped by patience, with a checkpoint of step 100, its best, that is really there."""
    with live.client() as client:
        run = client.submit(RunRequest(source=RecipeSource(name="hvass-cnn"), name="first")).id
    state = make_state(1, step=100)
    state.stopper["policy"]["best_value"] = 0.9
    Store(live.folder / "store").write(state, about(run, value=0.9))
    worker.claim().report_validation(100, 0.9, improved=True)
    worker.checkpoint(100, 0.9, id=state.id, location=str(live.folder / "store"))
    worker.finish(stop_reason="patience", stop_message="no better look for 100 steps")
    return run


def test_fork(keepbest: Keepbest, ended: str) -> None:
    options = ("--learning-rate", "0.1x", "--name", "second", "--project", "other")
    made = keepbest("fork", ended[:5], *options, "--json").json
    assert (made["name"], made["project"], made["state"], made["best_value"]) == ("second", "other", "queued", 0.9)
    assert made["spec"]["forked_from"]["run"] == ended
    assert f"step 100 of {ended}, checkpoint" in keepbest("show", made["id"]).out
    told = keepbest("fork", ended, "--step", "100", "--max-steps", "20000").out
    assert f"(first-fork-2) in default from step 100 of {ended}, up to 20,000 steps." in told


def test_resume(keepbest: Keepbest, live: Live, worker: FakeWorker, ended: str) -> None:
    asked = keepbest("resume", ended, "--max-steps", "20000")
    assert asked.out.startswith(f"Queued {ended} (first) again, up to 20,000 steps.")
    twice = keepbest("resume", ended)
    assert (twice.status, "has not ended" in twice.err) == (Exit.ERROR, True)
    taken = worker.claim().taken
    assert taken is not None
    assert (taken.resume and taken.resume.step, taken.run.steps_at_most) == (100, 20_000)
    assert taken.overrides is not None
    assert (taken.overrides.max_steps, taken.overrides.reset_patience) == (20_000, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--to", "worst"], "worst"),
        (["--to", "best", "--step", "3"], "field: step"),
        (["--learning-rate", "fast"], "field: learning_rate"),
        (["--max-steps", "100"], "field: max_steps"),
    ],
)
def test_a_jump_to_nowhere(keepbest: Keepbest, ended: str, options: list[str], told: str) -> None:
    for verb in ("fork", "resume"):
        failed = keepbest(verb, ended, *options)
        assert (failed.status, told in failed.err) == (Exit.USAGE, True), failed


def test_rm_undo(keepbest: Keepbest, ended: str) -> None:
    assert f"keepbest rm {ended} --undo" in keepbest("rm", ended, "--yes").err
    assert keepbest("show", ended).status == Exit.NOT_FOUND
    assert keepbest("rm", ended, "--undo").out == f"{ended} (first) is back, with 1 checkpoint and 0 artifacts.\n"
    assert keepbest("show", ended).status == 0
    assert keepbest("rm", ended, "--undo").status == Exit.NOT_FOUND


def test_epochs_are_steps_once_a_validation_says_its_epoch(keepbest: Keepbest, live: Live, ended: str) -> None:
    refused = keepbest("resume", ended, "--epochs", "20")
    assert (refused.status, "--max-steps 20000" in refused.err) == (Exit.USAGE, True)
    assert keepbest("fork", ended, "--epochs", "2", "--max-steps", "9").status == Exit.USAGE


@pytest.mark.parametrize(("step", "epoch", "last"), [(47, 1.0, 470), (100, 100 / 46.875, 470), (3, 0.3, 100)])
def test_the_last_step_of_epochs(step: int, epoch: float, last: int) -> None:
    class Client:
        def validations(self, run: str, limit: int) -> SimpleNamespace:
            return SimpleNamespace(
                validations=[SimpleNamespace(step=0, epoch=0.0), SimpleNamespace(step=step, epoch=epoch)]
            )

    assert last_step(Client(), "run", None, 10) == last  # type: ignore[arg-type]
