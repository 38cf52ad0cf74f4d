"""The spool on disk: torn tails, killed processes, full disks, refusals, gaps, what dead processes left."""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.contract.batches import Batch, BatchReceipt, Columns, Progress
from keepbest.contract.examples import Examples
from keepbest.errors import BatchGap, Busy, InvalidInput, LeaseLost, Unreachable
from keepbest.reporting import wire
from keepbest.reporting.journal import About, Journal, drain_left_over, send_first
from tests.keepbest.reporting.test_wire import body_of, look, points_of
from tests.support.processes import Processes, wait_until

ABOUT = About(run="0000000000aa", writer="000000000001", lease="secret-lease")
POINTS = points_of("loss", [(1, 0.5, 0.0), (2, 0.25, 0.0)])


def batch(number: int) -> bytes:
    return body_of(POINTS, number=number)


def filled(folder: Path, count: int) -> Journal:
    journal = Journal.create(folder, ABOUT)
    for number in range(1, count + 1):
        journal.append(number, batch(number))
    return journal


def numbers(journal: Journal) -> list[int]:
    """Take everything out of a journal and return the numbers."""
    found = []
    while (first := journal.first()) is not None:
        number, body = first
        assert wire.decode(body)[0]["number"] == number
        found.append(number)
        journal.acknowledge(number)
    return found


class Tracker:
    """Takes batches; raises what it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.bodies: list[bytes] = []
        self.leases: set[str] = set()

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
        if self.errors:
            raise self.errors.pop(0)
        self.bodies.append(body)
        self.leases.add(lease)
        return BatchReceipt(accepted=True, last_number=wire.decode(body)[0]["number"])


def test_what_is_appended_waits_in_order_until_it_is_acknowledged(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    assert journal.first() == (1, batch(1))
    journal.acknowledge(2)
    assert journal.first() == (3, batch(3))
    journal.acknowledge(3)
    assert journal.first() is None


def test_the_file_is_emptied_when_all_is_acknowledged(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    file = journal.folder / "batches"
    assert file.stat().st_size > 0
    journal.acknowledge(3)
    assert file.stat().st_size == 0
    journal.append(4, batch(4))
    assert journal.first() == (4, batch(4))


def test_a_reopened_journal_goes_on_after_the_acknowledged(tmp_path: Path) -> None:
    journal = filled(tmp_path, 4)
    journal.acknowledge(2)
    journal.close()
    again = Journal.open(journal.folder)
    assert again.about == ABOUT
    assert again.last_number == 4
    assert numbers(again) == [3, 4]


@pytest.mark.parametrize("garbage", [b"", b"\0" * 8, b"x" * 12, b"x" * 40])
def test_a_damaged_acknowledgement_only_sends_again(tmp_path: Path, garbage: bytes) -> None:
    journal = filled(tmp_path, 2)
    journal.acknowledge(1)
    journal.close()
    (journal.folder / "acknowledged").write_bytes(garbage)
    assert numbers(Journal.open(journal.folder)) == [1, 2]


def test_a_torn_tail_is_cut_wherever_it_tore(tmp_path: Path) -> None:
    journal = filled(tmp_path, 2)
    journal.close()
    file = journal.folder / "batches"
    whole = file.read_bytes()
    for length in range(len(whole) // 2, len(whole)):
        file.write_bytes(whole[:length])
        again = Journal.open(journal.folder)
        assert len(again) == 1
        assert file.stat().st_size == len(whole) // 2
        again.append(2, batch(2))
        assert again.first() == (1, batch(1))
        again.close()


def test_a_flipped_bit_ends_the_journal_there(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    journal.close()
    file = journal.folder / "batches"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 3 + 20] ^= 1
    file.write_bytes(damaged)
    assert numbers(Journal.open(journal.folder)) == [1]


def test_an_emptied_journal_leaves_nothing_behind(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    journal.acknowledge(1)
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_the_lease_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (journal.folder, *journal.folder.iterdir())}
    assert modes["writer.json"] == modes["batches"] == 0o600
    assert modes[journal.folder.name] == 0o700
    assert "secret-lease" not in repr(journal.about)


def test_a_living_journal_is_left_alone(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    with pytest.raises(Busy):
        Journal.open(journal.folder)
    journal.close()
    Journal.open(journal.folder).close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"run": 1}'])
def test_a_folder_without_a_journal_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "writer.json").write_text(content)
    with pytest.raises(InvalidInput):
        Journal.open(tmp_path)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(0)),
        st.tuples(st.just("acknowledge"), st.integers(1, 5)),
        st.tuples(st.just("die"), st.integers(0, 60)),
    ),
    max_size=30,
)


@settings(max_examples=50)
@given(STEPS, st.sampled_from([150, 400, 10**6]))
def test_whatever_happens_what_was_written_and_not_acknowledged_is_still_there(
    steps: list[tuple[str, int]], max_disk_bytes: int
) -> None:
    """A process dies with `torn` bytes of its next frame written; what was only in memory dies with it."""
    with TemporaryDirectory() as folder:
        journal, last, waiting = Journal.create(Path(folder), ABOUT, max_disk_bytes=max_disk_bytes), 0, []
        for act, count in steps:
            if act == "append":
                last += 1
                journal.append(last, batch(last))
                waiting.append(last)
            elif act == "acknowledge" and waiting:
                journal.acknowledge(waiting[:count][-1])
                waiting = waiting[count:]
            elif act == "die":
                waiting = waiting[: len(waiting) - len(journal._unwritten)]
                journal = reborn(journal, torn=count)
                last = max(waiting, default=last)
            assert [entry.number for entry in journal._entries] == waiting
        assert numbers(journal) == waiting


def reborn(journal: Journal, torn: int) -> Journal:
    """Let the process die and open its journal anew."""
    assert journal._spool is not None
    end = journal._spool.end
    journal._spool.close()
    with (journal.folder / "batches").open("r+b") as file:
        file.seek(end)
        file.write(batch(99)[:torn])
    return Journal.open(journal.folder)


# A full disk


def test_a_full_disk_keeps_batches_in_memory_and_writes_them_when_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(batch(1)) + 16
    journal = Journal.create(tmp_path, ABOUT, max_disk_bytes=2 * size)
    for number in (1, 2, 3, 4):
        journal.append(number, batch(number))
    assert not journal.is_on_disk
    assert [record.levelno for record in caplog.records] == [logging.WARNING]  # said once
    assert "Training goes on" in caplog.text
    journal.acknowledge(2)
    assert journal.first() == (3, batch(3))
    journal.acknowledge(4)
    journal.append(5, batch(5))
    assert journal.is_on_disk
    assert journal.problem is None
    assert numbers(journal) == [5]


def test_a_failing_disk_leaves_no_half_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(tmp_path, 1)
    write = os.pwrite

    def fail_halfway(file: int, data: bytes, offset: int) -> int:
        write(file, bytes(data)[:10], offset)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fail_halfway)
    journal.append(2, batch(2))
    monkeypatch.undo()
    assert not journal.is_on_disk
    journal.append(3, batch(3))
    assert journal.is_on_disk
    journal.close()
    assert numbers(Journal.open(journal.folder)) == [1, 2, 3]


def test_a_folder_that_cannot_be_made_means_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    journal = Journal.create(tmp_path / "file", ABOUT)
    journal.append(1, batch(1))
    assert "cannot be written" in caplog.text
    assert numbers(journal) == [1]
    journal.close()


def test_in_the_end_the_oldest_points_go_and_the_rest_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limit = 3 * len(batch(1))
    journal = Journal.create(tmp_path, ABOUT, max_disk_bytes=0, max_memory_bytes=limit)
    for number in range(1, 6):
        journal.append(number, batch(number))
    assert journal.dropped_points > 0
    assert "points dropped" in caplog.text
    first = journal.first()
    assert first is not None
    assert wire.decode(first[1]) == ({"writer": ABOUT.writer, "number": 1}, [])
    assert numbers(journal) == [1, 2, 3, 4, 5]  # no number is missing


# Sending


def test_a_batch_is_forgotten_only_once_it_is_durable(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    with pytest.raises(Unreachable):
        send_first(journal, Tracker(Unreachable()))
    assert len(journal) == 1
    assert send_first(journal, Tracker()) is not None
    assert len(journal) == 0


def test_a_refused_batch_is_sent_without_its_points_and_then_as_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal.create(tmp_path, ABOUT)
    columns = [Columns(segment=0, key="loss", count=2)]
    said = Batch(writer=ABOUT.writer, number=1, columns=columns, progress=Progress(step=7, at=datetime.now(UTC)))
    journal.append(1, wire.encode(said, [POINTS]))
    journal.append(2, batch(2))
    tracker = Tracker(InvalidInput("bad key"), InvalidInput("bad still"))
    assert send_first(journal, tracker) is None
    first = journal.first()
    assert first is not None
    assert set(wire.decode(first[1])[0]) == {"writer", "number", "progress"}
    while len(journal):
        send_first(journal, tracker)
    assert tracker.bodies == [wire.empty(ABOUT.writer, 1), batch(2)]
    assert journal.dropped_points == 2
    assert "bad key" in caplog.text


def test_an_older_tracker_gets_everything_but_what_each_example_did(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It refuses what it does not know: the points and the looks of the batch would be lost with it."""
    journal = Journal.create(tmp_path, ABOUT)
    for number in (1, 2):
        looks = [look(number, Examples(unpaired="it is a pipeline"))]
        said = Batch(writer=ABOUT.writer, number=number, looks=looks, columns=[Columns(segment=0, key="loss", count=2)])
        journal.append(number, wire.encode(said, [POINTS]))
    tracker = Tracker(InvalidInput("looks.0.examples: Extra inputs are not permitted.", field="looks.0.examples"))
    while len(journal):
        send_first(journal, tracker)
    assert [wire.count_points(body) for body in tracker.bodies] == [2, 2]
    assert [list(wire.decode(body)[0]["looks"][0]) for body in tracker.bodies] == 2 * [
        ["segment", "step", "decision", "at"]
    ]
    assert (journal.dropped_points, caplog.text.count("the tracker is older")) == (0, 1)


def test_examples_that_are_refused_for_another_reason_go_with_the_points(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, ABOUT)
    journal.append(1, wire.encode(Batch(writer=ABOUT.writer, number=1, looks=[look(1, Examples(unpaired=""))]), []))
    tracker = Tracker(InvalidInput("no base64", field="looks.0.examples.correct"))
    while len(journal):
        send_first(journal, tracker)
    assert [list(wire.decode(body)[0]["looks"][0]) for body in tracker.bodies] == [
        ["segment", "step", "decision", "at"]
    ]


def test_a_tracker_that_lost_what_it_had_gets_the_rest_under_a_new_writer(tmp_path: Path) -> None:
    journal = filled(tmp_path, 3)
    journal.acknowledge(1)
    tracker = Tracker(BatchGap())
    while len(journal):
        send_first(journal, tracker)
    headers = [wire.decode(body)[0] for body in tracker.bodies]
    assert [header["number"] for header in headers] == [1, 2]
    assert {header["writer"] for header in headers} == {journal.about.writer} != {ABOUT.writer}
    assert [wire.count_points(body) for body in tracker.bodies] == [2, 2]


def test_what_dead_processes_left_is_sent_under_their_lease(tmp_path: Path) -> None:
    for writer in ("000000000001", "000000000002"):
        journal = Journal.create(tmp_path, About(ABOUT.run, writer, f"lease of {writer}"))
        journal.append(1, wire.encode(Batch(writer=writer, number=1), []))
        journal.close()
    tracker = Tracker()
    left = drain_left_over(tmp_path, tracker)
    assert (left.sent, left.waiting, left.problems) == (2, 0, ())
    assert tracker.leases == {"lease of 000000000001", "lease of 000000000002"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [Unreachable("away"), LeaseLost("taken over")])
def test_what_cannot_be_sent_stays(tmp_path: Path, error: Exception) -> None:
    filled(tmp_path, 2).close()
    left = drain_left_over(tmp_path, Tracker(error))
    assert (left.sent, left.waiting) == (0, 2)
    assert left.problems == (str(error),)
    assert drain_left_over(tmp_path, Tracker()).sent == 2


def test_nothing_left_over_is_nothing_to_do(tmp_path: Path) -> None:
    assert drain_left_over(tmp_path / "missing", Tracker()).sent == 0


# Killed in the middle of writing

WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from keepbest.reporting.journal import About, Journal
from tests.keepbest.reporting.test_journal import ABOUT, batch
journal = Journal.create(Path(sys.argv[1]), ABOUT)
number = 0
while True:
    number += 1
    journal.append(number, batch(number))
    print(number, flush=True)
"""


def test_a_process_killed_while_writing_loses_no_batch(tmp_path: Path, processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", WRITE_FOR_EVER, tmp_path / "journal")
    process.wait_until(lambda: process.output.count("\n") > 50, what="fifty batches")
    process.send(signal.SIGKILL)
    process.wait()
    told = int(process.output.splitlines()[-2])  # the last line may be torn itself
    journal = wait_until(lambda: Journal.open(tmp_path / "journal" / ABOUT.writer), what="the lock")
    found = numbers(journal)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= told
