"""Runs that a script goes on with: which it may, where the history branches, and what a dead process held."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import ReportedValidation
from keepbest.contract.replays import ReplayRequest
from keepbest.contract.runs import Segment
from keepbest.contract.workers import Release
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.status import RunState, StopReason
from keepbest.stopping import parse
from keepbest.tracking.history import RunHistory
from keepbest.tracking.init import init
from keepbest.tracking.offline import send_offline
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from tests.support.live import Live
from tests.support.processes import Processes, wait_until
from tests.support.tiny_tracker import settings_of


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


def begin(live: Live, folder: Path, how: str = "online", **asked: Any) -> Run:
    settings = settings_of(folder, live.url, how, live.admin)
    return init(monitor="score", mode="max", stopper="patience(checks=3)", settings=settings, **asked)


def train(run: Run, first: int, last: int) -> None:
    for step in range(first, last + 1):
        run.log({"loss": 1 / step}, step=step)
        if step % 10 == 0 and run.report_validation(step, min(step, 20)).stop:
            return


@pytest.mark.parametrize("how", ["online", "offline"])
def test_which_runs_a_script_may_go_on_with(live: Live, tmp_path: Path, how: str) -> None:
    run_id = new_id()
    with pytest.raises(NotFound, match=run_id):
        begin(live, tmp_path, how, id=run_id, resume="must")
    begin(live, tmp_path, how, id=run_id, resume="never").finish()
    with pytest.raises(Conflict, match=run_id):
        begin(live, tmp_path, how, id=run_id, resume="never")
    for resume in ("allow", "must"):
        begin(live, tmp_path, how, id=run_id, resume=resume).finish()
    with begin(live, tmp_path, how, id=run_id), pytest.raises(Conflict, match=run_id):
        begin(live, tmp_path, how, id=run_id)  # two at once


def test_what_makes_no_sense_is_said(live: Live, tmp_path: Path) -> None:
    for asked, field in [
        ({"resume": "must"}, "id"),
        ({"resume": "abcdabcdabcd"}, "resume"),
        ({"id": "a", "key": "b"}, "key"),
    ]:
        with pytest.raises(InvalidInput) as raised:
            begin(live, tmp_path, **asked)
        assert raised.value.field == field


def test_validations_and_patience_go_on_in_a_new_segment(live: Live, tmp_path: Path, client: Client) -> None:
    first = begin(live, tmp_path)
    train(first, 1, 45)
    first.fail(ValueError("boom"))
    run = begin(live, tmp_path, id=first.id)
    assert (run.step, run.opening.goes_on) == (45, True)
    train(run, 41, 99)  # from a checkpoint of its own, at step 40: steps 41 to 45 are a ghost
    run.finish()
    known = client.run(run.id)
    assert (known.state, known.stop_reason, known.attempt, known.step) == (
        RunState.FINISHED, StopReason.PATIENCE, 2, 50,
    )  # fmt: skip
    assert known.error is None
    segments = client.segments(run.id).segments
    assert [(one.reason, one.parent, one.start_step) for one in segments] == [("start", None, 0), ("resume", 0, 40)]
    assert [(row.step, row.decision.wait, row.ghost) for row in client.validations(run.id).validations] == [
        (10, 0, False), (20, 0, False), (30, 1, False), (40, 2, False), (50, 3, False),
    ]  # fmt: skip
    with begin(live, tmp_path, id=first.id) as anew:
        train(anew, 1, 10)
    assert client.segments(run.id).segments[-1].reason == "start"
    assert [validation.step for validation in client.validations(run.id).validations if not validation.ghost] == [10]


def find_right(step: int) -> list[bool]:
    """Five more of 100 examples at each validation are a gain over the last one, three are none."""
    return [i < {10: 50, 20: 55, 30: 58, 40: 61, 50: 61, 60: 61, 70: 61}[step] for i in range(100)]


@pytest.mark.parametrize("how", ["online", "offline"])
def test_what_each_example_did_goes_on_too(live: Live, tmp_path: Path, client: Client, how: str) -> None:
    """Without it the first validation after the gap was compared as noise_aware does, and found no gain in six
    examples.
    """
    run_id, settings = new_id(), settings_of(tmp_path, live.url, how, live.admin)
    asked: dict[str, Any] = {"monitor": "score", "mode": "max", "stopper": "paired_noise(3)", "settings": settings}
    for steps in ((10, 20, 30), (40, 50, 60, 70)):
        with init(id=run_id, **asked) as run:
            for step in steps:
                decision = run.report_validation(step, sum(find_right(step)) / 100, n=100, correct=find_right(step))
                assert "unpaired" not in decision.message
    assert (decision.stop, decision.at_step) == (True, 70)
    if how == "offline":
        assert send_offline(tmp_path / "offline" / run_id, client) is not None
    waits = [validation.decision.wait for validation in client.validations(run_id).validations]
    assert waits == [0, 0, 1, 0, 1, 2, 3]
    (policy,) = client.replay(ReplayRequest(runs=[run_id], stoppers=["paired_noise(3)"])).policies
    assert (policy.outcomes[0].stop_step, policy.outcomes[0].message) == (70, decision.message)


def test_an_older_tracker_that_knows_no_examples_is_gone_on_with(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(live, tmp_path)
    train(first, 1, 45)
    first.finish()
    asked, validations = list[bool](), Client.validations

    def refuse(client: Client, run: str, *, examples: bool = False, **query: Any) -> Any:
        asked.append(examples)
        if examples:
            raise InvalidInput("examples: Extra inputs are not permitted.", field="examples")
        return validations(client, run, **query)

    monkeypatch.setattr(Client, "validations", refuse)
    monkeypatch.setattr(Stopper, "needs_pairs", True)
    run = begin(live, tmp_path, id=first.id)
    run.finish()
    assert [validation.step for validation in run.opening.past.validations] == [10, 20, 30, 40]
    assert asked == [True, False, False]


def segment(number: int, parent: int | None, start_step: int) -> Segment:
    opened = {"attempt": 1, "opened_at": datetime(2026, 1, 1, tzinfo=UTC), "reason": "start"}
    return Segment.model_validate({"number": number, "parent": parent, "start_step": start_step, **opened})


@pytest.mark.parametrize(("step", "parent"), [(0, None), (5, 0), (10, 0), (29, 0), (30, 2), (99, 2)])
def test_a_segment_branches_off_the_living_path(step: int, parent: int | None) -> None:
    past = RunHistory([segment(0, None, 0), segment(1, 0, 20), segment(2, 0, 30)])
    assert (past.find_parent(step), past.next_segment) == (parent, 3)


SCRIPT = """
import sys, time, keepbest
run = keepbest.init(id=sys.argv[2], monitor="score", mode="max", dir=sys.argv[1])
for step in range(run.step + 1, 10**9):
    run.report_validation(step, 0.5)
    run.recorder.uploader.drain(10)
    print(step, flush=True)
    time.sleep(0.05)
"""


def test_a_killed_script_is_taken_up_again_at_once(
    live: Live, tmp_path: Path, client: Client, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease would hold the run for two minutes more; its journal proves that it is dead."""
    run_id = new_id()
    process = processes.start(
        sys.executable, "-c", SCRIPT, tmp_path, run_id, KEEPBEST_URL=live.url, KEEPBEST_TOKEN=live.admin
    )
    process.wait_for_output("3\n")
    with pytest.raises(Conflict, match="Another script on this machine trains"):
        begin(live, tmp_path, id=run_id)
    monkeypatch.setattr("keepbest.tracking.takeover.LEAVING_SECONDS", 0)
    with pytest.raises(Conflict, match="another script holds it"):
        begin(live, tmp_path / "another machine", id=run_id)
    process.send(signal.SIGKILL)
    process.wait()
    with begin(live, tmp_path, id=run_id) as run:
        assert run.step >= 3
        run.report_validation(run.step + 1, 0.75)
    known = client.run(run_id)
    assert (known.state, known.attempt, known.best_value) == (RunState.FINISHED, 2, 0.75)
    steps = [validation.step for validation in client.validations(run_id).validations]
    assert steps == list(range(1, len(steps) + 1))


SLOW_END = """
import sys, time, keepbest
run = keepbest.init(id=sys.argv[2], monitor="score", mode="max", dir=sys.argv[1])
run.before_end(lambda: time.sleep(1.5))
run.report_validation(1, 0.5)
run.recorder.uploader.drain(10)
print("trains", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("there", [".", "another machine"])
def test_a_job_queued_again_waits_for_the_first_to_end(
    live: Live, tmp_path: Path, client: Client, processes: Processes, there: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A cluster ends a script by SIGTERM, and starts it elsewhere while the first still writes its best."""
    run_id = new_id()
    process = processes.start(
        sys.executable, "-c", SLOW_END, tmp_path, run_id, KEEPBEST_URL=live.url, KEEPBEST_TOKEN=live.admin
    )
    process.wait_for_output("trains")
    process.send(signal.SIGTERM)
    folder = tmp_path / there
    wait_until(lambda: there != "." or list(tmp_path.glob("journals/*/leaving")), what="the word of its end")
    with begin(live, folder, id=run_id) as run:
        assert run.step == 1
        run.report_validation(2, 0.75)
    assert process.wait() == 143
    assert any("Waiting for that process" in record.message for record in caplog.records)
    assert (client.run(run_id).state, client.run(run_id).attempt) == (RunState.FINISHED, 2)


def test_a_stale_script_ends_saying_the_run_was_not_its_own(
    live: Live, tmp_path: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with begin(live, tmp_path, id=new_id()) as stale:
        stale.report_validation(1, 0.5)
        assert stale.recorder.uploader is not None
        assert stale.recorder.uploader.drain(10)
        client.release(stale.id, stale.recorder.uploader.journal.about.lease, Release(outcome="handed_back"))
        with begin(live, tmp_path / "elsewhere", id=stale.id) as run:
            run.report_validation(2, 0.75)
            assert not stale.finish()
            assert f"run {stale.id} no longer belonged to this script when the script ended" in caplog.text
            assert client.run(run.id).state.is_held
    assert [validation.step for validation in client.validations(run.id).validations] == [1, 2]


def test_a_validation_that_was_withdrawn_is_judged_as_not_finite() -> None:
    said = {"segment": 0, "decision": {"stop": False, "improved": False}, "at": datetime(2026, 1, 1, tzinfo=UTC)}
    values = {10: 0.5, 20: 0.1, 30: 0.7}
    taken = [
        ReportedValidation.model_validate({**said, "step": step, "value": value}) for step, value in values.items()
    ]
    stopper = Stopper(parse("patience(9)"), "min", clock=lambda: 0.0)
    RunHistory([segment(0, None, 0)], taken, [taken[1]]).replay(stopper, 30)
    assert stopper.decision is not None
    assert (stopper.decision.best_step, stopper.decision.wait) == (10, 2)
