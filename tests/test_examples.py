"""Each example runs as a user would run it: one as a run of a tracker, the others without any service."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from keepbest.status import RunState
from keepbest.training.spec import Training
from tests.support.live import Live
from tests.support.processes import ROOT, Process, Processes

#: Those of the tutorials end in their own way: tests/tutorials.
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("tutorial_"))
TRACKED = "tf1_session.py"


def start(processes: Processes, name: str, folder: Path, url: str, token: str = "") -> Process:
    variables = {"KEEPBEST_DIR": str(folder), "KEEPBEST_URL": url, "KEEPBEST_TOKEN": token}
    return processes.start(sys.executable, ROOT / "examples" / name, folder=None, **variables)


def check(done: Process) -> None:
    """What an example says: it stopped early, went back to the best, and had it again from disk, to the last bit."""
    assert done.wait() == 0, done.output
    assert re.search(r"^stopped early: .+", done.output, re.MULTILINE), done.output
    assert re.search(r"^went back to step \d+: .+, difference 0\.0$", done.output, re.MULTILINE), done.output
    assert re.search(r"^(loaded|restored) .+: difference 0\.0$", done.output, re.MULTILINE), done.output


def test_the_model_that_a_page_begins_with_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """It loaded MNIST from the internet, which the first hour of many does not have."""
    blocks = (ROOT / "docs/howto/submit.md").read_text().split("```python\n")
    code = next(block for block in blocks if block.startswith("# my_model.py"))
    monkeypatch.setattr(socket, "socket", None)
    made: dict[str, Any] = {}
    exec(code.partition("```")[0], made)  # noqa: S102
    training = Training.of(made["build"](units=4))
    loss, accuracy = training.model.evaluate(*training.validation, verbose=0)
    assert (accuracy < 0.9, loss > 0, len(training.test[0])) == (True, True, 1000)


def test_the_examples(live: Live, processes: Processes, tmp_path: Path) -> None:
    tracked = start(processes, TRACKED, tmp_path / "tracked", live.url, live.admin)
    alone = {
        name: start(processes, name, tmp_path / name, "http://127.0.0.1:9") for name in EXAMPLES if name != TRACKED
    }
    assert len(alone) == 2
    for name, done in alone.items():
        check(done)
        assert "`keepbest sync` sends it" in done.output
        assert list((tmp_path / name / "offline").glob("*/outcome.json"))
    check(tracked)
    said = tracked.output
    assert re.search(r"each took \d+\.\d ms to memory, \d+\.\d ms with tf\.train\.Saver", said)
    assert "operations added to the graph: 0" in said
    with live.client() as client:
        (run,) = client.runs().runs
        assert (run.state, run.stop_reason) == (RunState.FINISHED, "patience")
        (best,) = [one for one in client.checkpoints(run.id).checkpoints if one.is_best]
        assert (best.step, best.value) == (run.best_step, run.best_value)
