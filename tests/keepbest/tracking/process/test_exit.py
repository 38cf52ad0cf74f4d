"""How a script's run ends with its process: exit codes, signals, blocks, and what was caught on the way."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from keepbest.tracking.process.exit import Terminated, as_known, find_cause
from tests.support.processes import Process, Processes
from tests.support.tiny_tracker import TinyTracker

BEGIN = "import os, signal, sys, time, keepbest; run = keepbest.init(monitor='score', mode='max', dir=sys.argv[1])\n"
TERM = "os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)"
HANDLER = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
CAUGHT = "try: raise SystemExit(3)\nexcept SystemExit as error: print(error.code)\n"
LATE = "run.before_end(lambda: [os.kill(os.getpid(), signal.SIGTERM), time.sleep(0.2), print('written')])\n"
BROKEN_OFF = "run.is_fitting = True\ntry: raise KeyboardInterrupt\nexcept KeyboardInterrupt: print('saved')\n"


def start(processes: Processes, folder: Path, tracker: TinyTracker, text: str) -> Process:
    begun = BEGIN + text
    return processes.start(sys.executable, "-c", begun, folder, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t")


@pytest.mark.parametrize(
    ("text", "code", "outcome", "message"),
    [
        ("sys.exit(3)", 3, "failed", "SystemExit: 3"),
        ("sys.exit('no data')", 1, "failed", "SystemExit: no data"),
        ("sys.exit()", 0, "finished", None),
        ("raise SystemExit(3)", 3, "failed", "SystemExit: 3"),
        ("def main(): exit(3)\nmain()", 3, "failed", "SystemExit: 3"),
        ("raise SystemExit", 0, "finished", None),
        (CAUGHT, 0, "finished", None),
        ("with run: sys.exit(3)", 3, "failed", "SystemExit: 3"),
        (TERM, 143, "cancelled", "SIGTERM ended its process."),
        (f"with run: {TERM}", 143, "cancelled", "SIGTERM ended its process."),
        (HANDLER + TERM, 143, "cancelled", "SIGTERM ended its process."),
        ("raise KeyboardInterrupt", -signal.SIGINT, "cancelled", "Interrupted from the keyboard."),
        (LATE, 0, "finished", None),
        (LATE + "with run: pass", 143, "finished", None),
        (BROKEN_OFF, 0, "finished", "The fit was interrupted; the script went on to its end."),
    ],
)
def test_the_run_ends_as_its_process_does(
    tmp_path: Path, tracker: TinyTracker, processes: Processes, text: str, code: int, outcome: str, message: str | None
) -> None:
    process = start(processes, tmp_path, tracker, text)
    assert process.wait() == code, process.output
    (release,) = tracker.releases
    assert (release["outcome"], release["stop_message"]) == (outcome, message)
    assert "Exception ignored" not in process.output
    assert ("written" in process.output) is (LATE in text)
    assert list((tmp_path / "journals").iterdir()) == []


def test_a_forked_child_ends_by_the_signal_as_ever(tmp_path: Path, tracker: TinyTracker, processes: Processes) -> None:
    text = "child = os.fork()\nif not child: os.kill(os.getpid(), signal.SIGTERM); time.sleep(20)\n"
    process = start(processes, tmp_path, tracker, text + "print(os.WTERMSIG(os.waitpid(child, 0)[1]))")
    assert process.wait() == 0, process.output
    assert process.output.split()[-1] == str(int(signal.SIGTERM))
    assert [release["outcome"] for release in tracker.releases] == ["finished"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(None, None), (0, None), (3, SystemExit), ("why", SystemExit), (143, Terminated), (130, KeyboardInterrupt)],
)
def test_what_an_exit_code_stands_for(code: object, kind: type[BaseException] | None) -> None:
    error = as_known(SystemExit(code))
    assert (None if error is None else type(error)) is kind


@pytest.mark.parametrize(
    ("prompt", "is_broken_off", "counts"), [(False, False, True), (True, False, False), (True, True, True)]
)
def test_at_a_prompt_an_error_ends_only_its_fit(
    monkeypatch: pytest.MonkeyPatch, prompt: bool, is_broken_off: bool, counts: bool
) -> None:
    error = ValueError("in some cell")
    monkeypatch.setattr(sys, "last_value", error, raising=False)
    if prompt:
        monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert find_cause(is_broken_off=is_broken_off) is (error if counts else None)
