"""Users' own commands on a real worker: one process of it, all the runs at once, no TensorFlow."""

from __future__ import annotations

import re
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from keepbest.client.bundle import pack
from keepbest.contract.commands import CancelRequest, StopRequest
from keepbest.contract.projects import ProjectRequest
from keepbest.contract.rules import MedianRule, RulesRequest
from keepbest.contract.runs import CommandSource, Run
from keepbest.status import RunState, StopReason
from tests.keepbest.client.test_bundle import write
from tests.support.processes import Process, Processes, is_alive, wait_until
from tests.support.service import Service

pytestmark = pytest.mark.timeout(600)

FILES = {
    "train.py": """
import os, sys, keepbest
print("secrets", [name for name, value in os.environ.items() if "TOKEN" in name or "kb_" in value])
run = keepbest.init(config={"rate": float(sys.argv[1])}, monitor="score", mode="max", stopper="patience(checks=3)")
assert run.id == os.environ["KEEPBEST_RUN_ID"] and os.environ["KEEPBEST_PROJECT"] == "mine"
print("attempt at", run.step)
for step in range(run.step + 1, 200):
    run.log({"loss": 1 / step}, step=step)
    if step % 10 == 0 and run.report_validation(step, min(step, 30)).stop:
        break
    if step == 25 and not run.opening.goes_on:
        run.recorder.uploader.drain(10)
        os.kill(os.getpid(), 9)
try:
    keepbest.init()
except keepbest.Conflict as error:
    print(error.message)
""",
    "fail.py": "print('the last words')\nraise SystemExit(3)\n",
    "caught.py": "import keepbest\nwith keepbest.init():\n    raise ValueError('boom')\n",
    "shaped.py": """
import keepbest as wandb
run = wandb.init(project="other", key="exp-17", config={"rate": 0.1}, tags=["a"])
for epoch, loss in enumerate([0.9, 0.5, *[0.6] * 12], start=1):
    wandb.log({"val_loss": loss}, step=epoch)
run.config.units = 8
run.name = "another"
wandb.finish()
""",
    "stay.py": "import time\nprint('up', flush=True)\ntime.sleep(600)\n",
    "stubborn.py": """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", child.pid, flush=True)
time.sleep(600)
""",
    "listens.py": """
import time, keepbest
run = keepbest.init(monitor="score", mode="max", stopper="patience(checks=100000)")
step = 0
while not run.report_validation(step := step + 1, 0.5).stop:
    print("up", flush=True)
    time.sleep(0.05)
""",
    "ruled.py": """
import sys, time, keepbest
run = keepbest.init(monitor="score", mode="max", stopper=sys.argv[2])
step = 0
while not run.report_validation(step := step + 1, float(sys.argv[1])).stop:
    time.sleep(0.2)
print(run.decision.message)
""",
}


class Commands:
    """The files above, sent once."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service, self.folder = service, folder
        self.bundle = service.client.add_bundle(pack(write(folder / "code", FILES)).content).digest

    def submit(self, *argv: str, **asked: object) -> str:
        source = CommandSource(bundle=self.bundle, argv=list(argv))
        return self.service.submit(**{"project": "mine", "source": source.model_dump(), **asked})

    def wait_for_output(self, run: str, text: str) -> str:
        def poll() -> str:
            found = self.service.logs(run)
            return found if text in found else ""

        return wait_until(poll, what=f"the output {text!r}")


def told(run: Run) -> str:
    assert run.error is not None
    return f"{run.error.message} {run.error.hint} {run.error.traceback}"


@pytest.fixture
def commands(service: Service, tmp_path: Path) -> Commands:
    return Commands(service, tmp_path)


def test_commands_from_start_to_every_end(service: Service, commands: Commands, processes: Processes) -> None:
    worker = service.start_worker(KEEPBEST_WORKER_SLOTS="12", KEEPBEST_WORKER_GRACE_SECONDS="1")
    ruled = begin_ruled(commands, processes)
    trained = commands.submit("python", "train.py", "0.1", stopper={"name": "patience", "params": {"checks": 2}})
    failed, missing, modeless = (commands.submit(*argv) for argv in (["python", "fail.py"], ["no-such"], ["./fail.py"]))
    raised = commands.submit("python", "caught.py")
    shaped = commands.submit("python", "shaped.py")
    plain = commands.submit("sh", "-c", "echo $0 $KEEPBEST_MODE", "a b;c")
    stopped, listens, cancelled = (commands.submit("python", f"{name}.py") for name in ("stay", "listens", "stubborn"))
    check_asked_to_end(commands, stopped, listens, cancelled)

    assert "exit code 3" in told(service.wait_for(failed))
    assert "the last words" in told(service.wait_for(failed))
    assert "'no-such' cannot be started" in told(service.wait_for(missing))
    assert "-- python ./fail.py" in told(service.wait_for(modeless))
    assert "ValueError: boom" in told(service.wait_for(raised))
    assert service.wait_for(plain).state is RunState.FINISHED
    assert service.logs(plain) == "a b;c online\n"
    check_shaped(service, shaped)
    check_gone_on(commands, trained)
    check_ruled(service, ruled)

    left = commands.submit("python", "stubborn.py")
    child = int(commands.wait_for_output(left, "up").split()[1])
    assert not [path for path in service.folder.rglob("handed.json") if path.stat().st_mode & 0o077]
    worker.send(signal.SIGKILL)
    wait_until(lambda: not is_alive(child), what="the end of a command whose worker died")


def check_shaped(service: Service, shaped: str) -> None:
    """A script of W&B's shape reports to the worker's run, whatever key it names."""
    run = service.wait_for(shaped)
    assert (run.state, run.best_value, run.best_step, run.spec.stopper.name) == (RunState.FINISHED, 0.5, 2, "shadow")
    assert (run.project, run.spec.parameters) == ("mine", {"rate": 0.1, "units": 8})
    output = service.logs(shaped)
    assert "would have stopped this run at step 12; best val_loss: 0.5 at step 2." in output
    assert "a run of a worker keeps its names" in output


def check_asked_to_end(commands: Commands, stopped: str, listens: str, cancelled: str) -> None:
    """One that asks for commands stops at its validation, another by SIGTERM; a stubborn one is killed with its
    children.
    """
    service, child = commands.service, int(commands.wait_for_output(cancelled, "up").split()[1])
    service.client.command(cancelled, CancelRequest())
    for asked in (stopped, listens):
        commands.wait_for_output(asked, "up")
        assert service.client.run(asked).state is RunState.RUNNING
        service.client.command(asked, StopRequest())
    for asked in (stopped, listens):
        run = service.wait_for(asked)
        assert (run.state, run.stop_reason) == (RunState.FINISHED, StopReason.USER)
    assert "SIGTERM" in service.client.commands(stopped).commands[0].message
    assert "at this validation" in service.client.commands(listens).commands[0].message
    run = service.wait_for(cancelled)
    assert (run.state, run.stop_reason) == (RunState.CANCELLED, StopReason.USER)
    wait_until(lambda: not is_alive(child), what="the end of what it had started")


def begin_ruled(commands: Commands, processes: Processes) -> dict[str, tuple[str, Process]]:
    """Begin in each of two projects, one with a budget, one with a good run and the median, a command and a script."""
    client = commands.service.client
    better = commands.submit("python", "ruled.py", "0.9", "patience(1)", project="peers")
    assert commands.service.wait_for(better).state is RunState.FINISHED
    client.change_rules("peers", lambda _: RulesRequest(median=MedianRule(startup_runs=1)))
    client.add_project(ProjectRequest(name="short"))
    client.change_rules("short", lambda _: RulesRequest(max_steps=5))
    script, endless = commands.folder / "code" / "ruled.py", "patience(100000)"
    return {
        project: (
            commands.submit("python", "ruled.py", "0.5", endless, project=project),
            processes.start(
                sys.executable, script, "0.5", endless, KEEPBEST_URL=client.url, KEEPBEST_TOKEN=commands.service.token,
                KEEPBEST_PROJECT=project, KEEPBEST_DIR=str(commands.folder / project),
            ),
        )
        for project in ("peers", "short")
    }  # fmt: skip


def find_own(service: Service, project: str) -> str | None:
    """Return the project's run that no worker has, but a user's own script."""
    found = service.client.runs(project=project).runs
    return next((run.id for run in found if run.spec.source.kind == "external"), None)


def check_ruled(service: Service, ruled: dict[str, tuple[str, Process]]) -> None:
    """A rule stops a command's run and a user's own script at its next validation, and both are told why."""
    said = {
        "peers": (StopReason.PEERS, r"0\.5 at step [\d,]+ is below the median 0\.9 of 1 run"),
        "short": (StopReason.MAX_STEPS, r"Step [\d,]+ of at most 5"),
    }
    for project, (command, script) in ruled.items():
        own = wait_until(partial(find_own, service, project), what="the script's run") or ""
        reason, why = said[project]
        for run in map(service.wait_for, (command, own)):
            assert (run.state, run.stop_reason, run.step) == (RunState.FINISHED, reason, run.last_validation_step)
            told = rf"Stop at step {run.step}: {why} \(rule of project {project}\)\."
            assert re.fullmatch(told, run.stop_message or ""), run.stop_message
            output = service.logs(command) if run.id == command else script.wait_for_output("Stop")
            lines = output.strip().splitlines()  # a script of one's own is told first where its run is
            assert lines[-1] == run.stop_message
            assert len(lines) == (1 if run.id == command else 2)


def check_gone_on(commands: Commands, trained: str) -> None:
    """It was killed by a signal after its second validation; its next attempt went on from there."""
    service, run = commands.service, commands.service.wait_for(trained)
    assert (run.state, run.stop_reason, run.attempt) == (RunState.FINISHED, StopReason.PATIENCE, 2)
    assert (run.best_step, run.validations, run.spec.parameters) == (30, 5, {"rate": 0.1})
    assert (run.spec.monitor, run.mode) == ("score", "max")
    assert run.spec.stopper.params["checks"] == 2  # the submission's word, not the script's
    segments = service.client.segments(trained).segments
    assert [(part.reason, part.start_step) for part in segments] == [("start", 0), ("resume", 25)]
    lines = service.logs(trained).splitlines()
    assert lines[:4] == ["secrets []", "attempt at 0", "secrets []", "attempt at 25"]
    assert "one command is one run" in lines[4]
    steps = [step for piece in service.client.curve(trained, "loss").pieces for step in piece.steps]
    assert steps == list(range(1, 51))
