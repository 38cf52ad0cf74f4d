"""Runs kept offline, by real processes: sent while they write, by two at once, after kill -9 of either side."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.contract.base import new_id
from keepbest.contract.batches import SegmentOpened
from keepbest.contract.runs import ExternalSource, RunRequest
from keepbest.errors import InvalidInput
from keepbest.journal.batch import Draft
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.status import RunState
from keepbest.tracking import offline
from keepbest.tracking.init import init
from keepbest.tracking.offline import Sent, begun_offline, find_offline, send_offline
from tests.support.live import Live
from tests.support.processes import Process, Processes, wait_until
from tests.support.tiny_tracker import settings_of


@pytest.fixture
def client(live: Live) -> Client:
    return live.client()


#: Goes on as long as there is a file "go"; says each step once it is in the journal.
SCRIPT = """
import sys, time, keepbest
from pathlib import Path
run = keepbest.init(id="abcdabcdabcd", monitor="score", mode="max", dir=sys.argv[1], stopper="patience(checks=9999)")
step = run.step
while Path(sys.argv[1], "go").exists():
    step += 1
    run.log({"loss": 1 / step}, step=step)
    run.report_validation(step, step / 1e6)
    run.recorder.uploader.drain(10)
    print(f"step {step}.", flush=True)
    time.sleep(0.2)  # slower than anybody who sends it, or nobody would ever be done
run.finish()
"""


def start(processes: Processes, folder: Path) -> Process:
    (folder / "go").touch()
    return processes.start(sys.executable, "-c", SCRIPT, folder, KEEPBEST_MODE="offline")


def sync(processes: Processes, live: Live, folder: Path, *options: str) -> Process:
    words = ("sync", "--json", *options)
    return processes.python(
        "keepbest.cli.main",
        *words,
        KEEPBEST_URL=live.url,
        KEEPBEST_TOKEN=live.admin,
        KEEPBEST_DIR=str(folder),
    )


def steps_of(client: Client) -> list[int]:
    validations = [validation.step for validation in client.validations("abcdabcdabcd", limit=5000).validations]
    points = [step for piece in client.curve("abcdabcdabcd", "loss").pieces for step in piece.steps]
    assert validations == points == list(range(1, len(validations) + 1))  # nothing twice, nothing missing
    return validations


def test_a_living_script_is_sent_so_far_and_then_the_rest(
    live: Live, tmp_path: Path, client: Client, processes: Processes
) -> None:
    script = start(processes, tmp_path)
    script.wait_for_output("step 5.")
    both = [sync(processes, live, tmp_path) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0], [process.output for process in both]
    assert {one["state"] for process in both for one in json.loads(process.output)} == {"running"}
    sent = len(steps_of(client))
    assert sent >= 5
    assert client.run("abcd").state is RunState.RUNNING
    watching = sync(processes, live, tmp_path, "--watch")
    wait_until(lambda: client.run("abcd").validations > sent, what="what it has written since")
    (tmp_path / "go").unlink()
    assert script.wait() == 0, script.output
    last = script.output.count("step ")
    assert watching.wait() == 0, watching.output
    assert len(steps_of(client)) == last
    assert client.run("abcd").state is RunState.FINISHED
    assert [run.id for run in client.runs().runs] == ["abcdabcdabcd"]
    assert not list((tmp_path / "offline").iterdir())


def test_a_killed_offline_script_goes_on_and_arrives_once(
    live: Live, tmp_path: Path, client: Client, processes: Processes
) -> None:
    """The last record is torn; a sync is killed where the run is made and nobody wrote down under which lease."""
    script = start(processes, tmp_path)
    script.wait_for_output("step 5.")
    (folder,) = find_offline(tmp_path / "offline")
    assert send_offline(folder, client) == Sent("abcdabcdabcd", is_over=False)
    script.send(signal.SIGKILL)
    script.wait()
    (journal,) = folder.glob("*/batches")
    with journal.open("ab") as file:
        file.write(journal.read_bytes()[:100])
    script = start(processes, tmp_path)
    script.wait_for_output("step 3.")  # it has no checkpoint: it begins anew, in a segment of its own
    (tmp_path / "go").unlink()
    assert script.wait() == 0, script.output
    assert send_offline(folder, client) == Sent("abcdabcdabcd", is_over=True)
    known = client.run("abcd")
    assert (known.state, known.attempt) == (RunState.FINISHED, 1)
    assert [one.reason for one in client.segments("abcd").segments] == ["start", "start"]
    validations = client.validations("abcd", limit=5000).validations
    for number in (0, 1):
        steps = [validation.step for validation in validations if validation.segment == number]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) >= 3


def test_processes_are_sent_in_the_order_in_which_they_ran(live: Live, tmp_path: Path, client: Client) -> None:
    """Run … has no segment 0 to branch from: of two processes, whose journals have names by chance, the later one was
    sent first every second time, and all that it had said was lost."""
    settings = settings_of(tmp_path, live.url, "offline")
    for place, steps in enumerate([(1, 2), (3, 4), (5, 6)]):
        with init(id="abcdabcdabcd", monitor="score", mode="max", settings=settings) as run:
            for step in steps:
                run.report_validation(step, step / 10)
        (folder,) = find_offline(tmp_path / "offline")
        (journal,) = [path for path in folder.glob("*/") if len(path.name) == 12]
        journal.rename(folder / "bac"[place])
    (folder / "a" / "writer.json").write_bytes(b"\xff")  # whose that is, the folder above says
    assert send_offline(folder, client) == Sent(run.id, is_over=True)
    assert [validation.step for validation in client.validations(run.id).validations] == [1, 2, 3, 4, 5, 6]
    assert [one.parent for one in client.segments(run.id).segments] == [None, 0, 1]


def test_a_sync_that_is_killed_makes_no_second_run(
    live: Live, tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with init(monitor="score", mode="max", settings=settings_of(tmp_path, live.url, "offline")) as run:
        run.report_validation(1, 0.5)
    (folder,) = find_offline(tmp_path / "offline")

    def die(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(offline, "write_private", die)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                send_offline(folder, client)
    assert send_offline(folder, client) == Sent(run.id, is_over=True)
    assert [known.id for known in client.runs().runs] == [run.id]
    assert client.run(run.id).state is RunState.FINISHED


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path, mode: str) -> None:
    """Nor can it where the tracker does not answer: an offline run would be nowhere."""
    (tmp_path / "file").write_text("no folder")
    settings = settings_of(tmp_path / "file" / "keepbest", "http://127.0.0.1:9", mode)
    with pytest.raises(InvalidInput, match=r"cannot be written to .*: Not a directory") as caught:
        init(monitor="score", mode="max", settings=settings)
    assert caught.value.field == "KEEPBEST_DIR"


def test_what_was_sent_of_a_dead_script_is_known_to_the_next(tmp_path: Path) -> None:
    """The next process began at segment 0 once more, and the tracker took none of its validations."""
    folder, asked = tmp_path / "abcdabcdabcd", RunRequest(source=ExternalSource(), id="abcdabcdabcd")
    with begun_offline(folder, asked, "allow") as past:
        journal = Journal.create(folder, JournalOwner("abcdabcdabcd", new_id(), ""))
    assert past.next_segment == 0
    draft = Draft()
    draft.add(SegmentOpened(number=0, parent=None, reason="start", start_step=0, at=datetime.now(UTC)))
    journal.append(1, draft.encode(journal.about.writer, 1))
    Journal.open(journal.folder, read_only=True).acknowledge(1)
    assert journal._spool is not None
    journal._spool.close()  # as the system does where the process is killed
    with begun_offline(folder, asked, "allow") as past:
        assert past.next_segment == 1
