"""Each example runs as a user would run it: one as a run of a tracker, the others without any service."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from keepbest.status import RunState
from tests.support.live import Live
from tests.support.processes import ROOT, Process, Processes

#: Those of the tutorials end in their own way: tests/tutorials.
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py") if not path.name.startswith("tutorial_"))
TRACKED = "tf1_session.py"
SECONDS = 150.0


def start(processes: Processes, name: str, folder: Path, url: str, token: str = "") -> Process:
    variables = {"KEEPBEST_DIR": str(folder), "KEEPBEST_URL": url, "KEEPBEST_TOKEN": token}
    return processes.start(sys.executable, ROOT / "examples" / name, folder=None, **variables)


def check(done: Process) -> None:
    """What an example says: it stopped early, went back to the best, and had it again from disk, to the last bit."""
    assert done.wait(seconds=SECONDS) == 0, done.output
    assert re.search(r"^stopped early: .+", done.output, re.MULTILINE), done.output
    assert re.search(r"^went back to step \d+: .+, difference 0\.0$", done.output, re.MULTILINE), done.output
    assert re.search(r"^loaded \w{12} .+: difference 0\.0$", done.output, re.MULTILINE), done.output


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
