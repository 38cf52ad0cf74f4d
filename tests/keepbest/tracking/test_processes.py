"""Scripts as real processes: killed, forgetful, raising."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from keepbest.journal.left_over import drain_left_over
from tests.support.processes import Processes
from tests.support.tiny_tracker import TinyTracker

SCRIPT = """
import os, sys, time
import keepbest
run = keepbest.init(monitor="val_accuracy", mode="max", dir=sys.argv[1])
for step in range(1, 10**9):
    run.log({"loss": 0.5}, step=step)
    if step % 1000 == 0:
        print(step, flush=True)
        time.sleep(0.01)
"""


def test_a_killed_script_loses_only_what_it_just_logged(
    tmp_path: Path, tracker: TinyTracker, processes: Processes
) -> None:
    process = processes.start(sys.executable, "-c", SCRIPT, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t")
    process.wait_until(lambda: tracker.points("loss"), what="the first points")
    tracker.down()
    before = process.output.count("\n")
    process.wait_until(lambda: process.output.count("\n") > before + 100, what="a second without a tracker")
    process.send(signal.SIGKILL)
    process.wait()
    tracker.up()
    drain_left_over(tmp_path / "journals", tracker.client())
    steps = [step for step, _ in tracker.points("loss")]
    assert steps == list(range(1, len(steps) + 1))  # nothing twice, nothing missing in between
    assert len(steps) > 1000 * (before + 20)


def test_a_script_that_forgets_to_finish_is_finished(
    tmp_path: Path, tracker: TinyTracker, processes: Processes
) -> None:
    text = "import sys, keepbest; keepbest.init(dir=sys.argv[1]).log({'loss': 0.5}, step=1)"
    process = processes.start(sys.executable, "-c", text, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t")
    assert process.wait() == 0, process.output
    assert [release["outcome"] for release in tracker.releases] == ["finished"]
    assert tracker.points("loss") == [(1, 0.5)]


def test_a_script_that_raises_outside_a_block_is_failed(
    tmp_path: Path, tracker: TinyTracker, processes: Processes
) -> None:
    text = "import sys, keepbest; keepbest.init(dir=sys.argv[1]); raise ValueError('boom')"
    process = processes.start(sys.executable, "-c", text, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t")
    assert process.wait() == 1
    (release,) = tracker.releases
    assert (release["outcome"], release["error"]["message"]) == ("failed", "ValueError: boom")
