"""The agent with small programs in place of trainers: what it tells the tracker of every kind of end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from keepbest.client import bundle
from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.commands import CancelRequest
from keepbest.contract.workers import Claim, WorkerRegistration
from keepbest.errors import NotAuthenticated
from keepbest.status import RunState, StopReason
from tests.keepbest.client.test_bundle import archive, entry
from tests.support.processes import wait_until
from tests.support.service import Service
from tests.worker.trainer.test_user_code import write
from worker import recipes, settings
from worker.agent import agent, run_supervisor
from worker.agent.agent import Agent
from worker.child_process import ChildProcess, make_mark
from worker.run_folder import RunFolder

FOREVER = "import time; print('training', flush=True); time.sleep(600)"
FINISHES = """
import sys; from pathlib import Path
from keepbest.contract.workers import Release; from worker.run_folder import RunFolder
print('trained')
RunFolder(Path(sys.argv[1])).write_outcome(Release(outcome='finished', stop_reason='patience'))
"""
CRASHES = "import os; print('last words', flush=True); os.kill(os.getpid(), 11)"
HANDS_BACK = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75)); print('training', flush=True); time.sleep(600)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('training', flush=True); time.sleep(600)"
)


#: Starts something, trains a little, then stands still: SIGTERM changes nothing.
HANGS = """
import signal, subprocess, sys, time; from pathlib import Path
from keepbest.tracking.process.heartbeat import Phase, Sign, write
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGUSR1, lambda *_: print('standing here', flush=True))
subprocess.Popen(['sleep', '600'])
for beats in range(1, 9):
    write(Path(sys.argv[1]), Sign(beats, Phase.STEADY)); time.sleep(0.1)
print('training', flush=True)
while True:
    if 'stop' in sys.argv[2:]: os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(0.1)
"""


class Programs:
    """An executor that starts a program of the test for each run."""

    def __init__(self) -> None:
        self.program = FINISHES
        self.started: list[ChildProcess] = []
        self.prepared = 0
        self.environ = settings.trainer_environ({})

    def start(self, folder: RunFolder) -> ChildProcess:
        command = [sys.executable, "-P", "-c", self.program, str(folder.path)]
        child = ChildProcess(command, folder=folder.path, output=folder.output, environ=self.environ, mark=make_mark())
        self.started.append(child)
        return child

    def prepare(self) -> None:
        self.prepared += 1

    def close(self) -> None:
        self.prepared = 0


class Rig:
    """An agent in a thread of the test."""

    def __init__(self, service: Service, **variables: str) -> None:
        given = {"KEEPBEST_URL": service.client.url, "KEEPBEST_DIR": str(service.folder), **variables}
        self.service = service
        self.settings = settings.load(given)
        self.programs = Programs()
        self.client = Client(service.client.url, service.worker_token)
        self.agent = Agent(self.settings, self.client, self.programs)
        self.thread = threading.Thread(target=self.agent.run, daemon=True)

    def submit(self, program: str = FINISHES, **asked: object) -> str:
        self.programs.program = program
        if not self.thread.is_alive():
            self.thread.start()
        wait_until(lambda: self.service.client.recipes().recipes, what="the worker's hello")
        return self.service.submit(**{"source": {"kind": "recipe", "name": "hvass-cnn"}, **asked})

    def wait_for_output(self, run: str, text: str) -> None:
        wait_until(lambda: text in self.service.logs(run), what=f"the output {text!r}")

    @property
    def folders(self) -> list[Path]:
        return list(self.settings.folder.glob("*/"))

    def leave(self) -> None:
        self.agent.leave()
        if self.thread.is_alive():
            self.thread.join(20)
            assert not self.thread.is_alive()


Make = Callable[..., Rig]


@pytest.fixture
def make_rig(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(agent, "CLAIM_SECONDS", 0.05)
    monkeypatch.setattr(agent, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(run_supervisor, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(run_supervisor, "OUTPUT_SECONDS", 0.05)
    rigs: list[Rig] = []

    def make(**variables: str) -> Rig:
        rigs.append(Rig(service, **variables))
        return rigs[-1]

    yield make
    for rig in rigs:
        for child in rig.programs.started:
            child.kill()
        rig.leave()


@pytest.fixture
def rig(make_rig: Make) -> Rig:
    return make_rig()


def test_what_the_trainer_says_is_what_the_tracker_hears(rig: Rig, service: Service) -> None:
    run = service.wait_for(rig.submit())
    assert (run.state, run.stop_reason, run.attempt) == (RunState.FINISHED, StopReason.PATIENCE, 1)
    assert service.logs(run.id) == "trained\n"
    wait_until(lambda: not rig.folders, what="the folder's end")


def test_a_crash_is_tried_again_and_in_the_end_explained(rig: Rig, service: Service) -> None:
    run = service.wait_for(rig.submit(CRASHES, max_attempts=2))
    assert (run.state, run.attempt) == (RunState.FAILED, 2)
    assert run.error is not None
    assert "SIGSEGV" in run.error.message
    assert "last words" in str(run.error.traceback)
    assert service.logs(run.id).count("last words") == 2


def test_cancelled_it_is_over_at_once(rig: Rig, service: Service) -> None:
    run_id = rig.submit(STUBBORN)
    rig.wait_for_output(run_id, "training")
    service.client.command(run_id, CancelRequest())
    run = service.wait_for(run_id)
    assert (run.state, run.stop_reason) == (RunState.CANCELLED, StopReason.USER)
    assert [command.state.value for command in service.client.commands(run_id).commands] == ["done"]
    assert rig.programs.started[0].poll() == -9


def test_leaving_hands_back_without_spending_an_attempt(rig: Rig, service: Service) -> None:
    run_id = rig.submit(HANDS_BACK)
    rig.wait_for_output(run_id, "training")
    wait_until(lambda: rig.programs.prepared, what="a turn that claims nothing")
    rig.leave()
    assert rig.programs.prepared == 0
    run = service.client.run(run_id)
    assert (run.state, run.attempt) == (RunState.QUEUED, 1)
    assert [worker.state for worker in service.client.workers().workers] in ([], ["gone"])


def test_a_trainer_that_will_not_leave_is_killed_after_its_grace(make_rig: Make, service: Service) -> None:
    rig = make_rig(KEEPBEST_WORKER_GRACE_SECONDS="1")
    run_id = rig.submit(STUBBORN)
    rig.wait_for_output(run_id, "training")
    rig.leave()
    assert service.client.run(run_id).state is RunState.QUEUED
    assert rig.programs.started[0].poll() == -9


def test_a_stalled_trainer_is_shown_ended_and_taken_up_anew(make_rig: Make, service: Service) -> None:
    rig = make_rig(KEEPBEST_WORKER_GRACE_SECONDS="1", KEEPBEST_STALL_SECONDS="2")
    run_id = rig.submit(HANGS, max_attempts=2)
    wait_until(lambda: service.client.run(run_id).stalled_since, what="the run to be shown as stalled")
    wait_until(lambda: service.client.run(run_id).attempt == 2, what="the next attempt")
    first = rig.programs.started[0]
    assert first.poll() == -9
    wait_until(lambda: not group_lives(first.pid), what="the end of what it had started")
    run = service.wait_for(run_id)
    assert (run.state, run.stop_reason, run.attempt) == (RunState.FAILED, StopReason.STALLED, 2)
    assert run.error is not None
    assert "no sign of life" in run.error.message
    assert "run.beat()" in str(run.error.hint)
    logs = service.logs(run_id)
    assert "No sign of life" in logs
    assert logs.count("standing here") == 2


def test_a_stopped_trainer_ends_unless_it_may_stand_still(make_rig: Make, service: Service) -> None:
    rig = make_rig(KEEPBEST_WORKER_GRACE_SECONDS="1", KEEPBEST_STALL_SECONDS="2", KEEPBEST_WORKER_SLOTS="2")
    stopped, allowed = rig.submit(HANGS, max_attempts=1), rig.submit(HANGS, stall=False)
    rig.wait_for_output(stopped, "training")
    os.kill(rig.programs.started[0].pid, signal.SIGSTOP)
    assert service.wait_for(stopped).stop_reason is StopReason.STALLED
    assert service.client.run(allowed).stalled_since is None
    assert rig.programs.started[1].poll() is None


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_run_that_went_to_somebody_else_is_let_go(rig: Rig, service: Service) -> None:
    run_id = rig.submit(FOREVER)
    rig.wait_for_output(run_id, "training")
    take_away(service, run_id)
    wait_until(lambda: rig.programs.started[0].poll() is not None, what="the trainer's end")
    wait_until(lambda: not rig.folders, what="the folder's end")


def take_away(service: Service, run: str) -> None:
    """Let the lease run out while the worker is not heard, and give the run to another worker."""
    service.stop()
    wait_until(lambda: run in service.expire(), what="the lease's end")
    said = {"id": new_id(), "name": "other", "host": "other", "pid": 1, "version": "0", "slots": 1}
    with service.elsewhere() as url, Client(url, service.worker_token) as other:
        other.register_worker(WorkerRegistration.model_validate({**said, "recipes": recipes.announce()}))
        assert other.claim(Claim(worker=str(said["id"]))) is not None
    service.start()


def test_the_end_is_told_when_the_tracker_answers_again(rig: Rig, service: Service) -> None:
    waits = FINISHES.replace(
        "print('trained')", "import time; print('up', flush=True); time.sleep(2); print('trained')"
    )
    run_id = rig.submit(waits)
    rig.wait_for_output(run_id, "up")
    service.stop()
    wait_until(lambda: rig.programs.started[0].poll() is not None, what="the trainer's end")
    service.start()
    assert service.wait_for(run_id).state is RunState.FINISHED
    assert service.logs(run_id) == "up\ntrained\n"


def test_two_slots_train_two_runs(make_rig: Make, service: Service) -> None:
    rig = make_rig(KEEPBEST_WORKER_SLOTS="2")
    runs = [rig.submit(HANDS_BACK) for _ in range(3)]
    for run in runs[:2]:
        rig.wait_for_output(run, "training")
    assert len(rig.programs.started) == 2
    assert service.client.run(runs[2]).state is RunState.QUEUED


def test_code_is_unpacked_beside_the_run(rig: Rig, service: Service, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    packed = bundle.pack(write(tmp_path / "mine", my_model="print('mine')"))
    rig.submit()
    rig.programs.program = f"import runpy; runpy.run_path('code/my_model.py')\n{FINISHES}"
    run = service.submit_code(packed.content)
    assert service.wait_for(run).state is RunState.FINISHED
    assert "mine" in service.logs(run)


def test_code_that_is_not_what_was_sent_is_not_run(rig: Rig, service: Service, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    packed = bundle.pack(write(tmp_path / "mine", my_model=""))
    service.wait_for(rig.submit())
    rig.client.bundle = lambda digest: archive((entry("../evil.py"), b""))  # type: ignore[method-assign]
    run = service.wait_for(service.submit_code(packed.content))
    assert (run.state, run.attempt) == (RunState.FAILED, 1)
    assert run.error is not None
    assert "does not have its digest" in run.error.message
    assert len(rig.programs.started) == 1


def test_recipes_only_takes_no_code(make_rig: Make, service: Service, tmp_path: Path) -> None:
    rig = make_rig(KEEPBEST_WORKER_RECIPES_ONLY="1")
    (tmp_path / "mine").mkdir()
    packed = bundle.pack(write(tmp_path / "mine", my_model=""))
    first = rig.submit()
    run = service.submit_code(packed.content)
    second = rig.submit()
    assert service.wait_for(first).state is service.wait_for(second).state is RunState.FINISHED
    assert service.client.run(run).state is RunState.QUEUED


def test_a_tracker_that_is_not_there_yet_is_waited_for(rig: Rig, service: Service) -> None:
    service.stop()
    rig.thread.start()
    rig.thread.join(0.3)
    assert rig.thread.is_alive()
    service.start()
    assert service.wait_for(rig.submit()).state is RunState.FINISHED


def test_a_token_that_is_no_worker_s_ends_the_agent(service: Service) -> None:
    known = settings.load({"KEEPBEST_URL": service.client.url, "KEEPBEST_DIR": str(service.folder)})
    with pytest.raises(NotAuthenticated):
        Agent(known, Client(service.client.url, "wrong"), Programs()).run()
