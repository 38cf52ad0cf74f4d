"""The spool on disk: torn tails, killed processes, full disks, refusals, gaps, what dead processes left."""

from __future__ import annotations

import logging
import os
import signal
import stat
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.contract.batches import BatchReceipt
from keepbest.errors import Busy, InvalidInput
from keepbest.journal import wire
from keepbest.journal.journal import Journal, JournalOwner
from tests.keepbest.journal.test_wire import body_of, points_of
from tests.support.processes import Processes, wait_until

ABOUT = JournalOwner(run="0000000000aa", writer="000000000001", lease="secret-lease")
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

    files: Any = None

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


def test_appended_batches_wait_in_order_until_acknowledged(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("place", [0, 5, 10, 20, 60])
@pytest.mark.parametrize("lost", [1, 2, 4])
def test_a_flipped_bit_costs_that_batch_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: int, place: int
) -> None:
    """It ended the journal there: all that came after was cut off without a word."""
    journal = filled(tmp_path / "journals", 4)
    journal.close()
    file = journal.folder / "batches"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 4 * (lost - 1) + place] ^= 1
    file.write_bytes(damaged)
    again, said = Journal.open(journal.folder), {}
    while (first := again.first()) is not None:
        said[first[0]] = wire.count_points(first[1])
        again.acknowledge(first[0])
    if lost == 4:  # cannot be told from a frame that was being written when the process died
        assert said == {1: 2, 2: 2, 3: 2}
        return
    assert said == {number: 0 if number == lost else 2 for number in (1, 2, 3, 4)}
    (kept,) = (tmp_path / "set-aside").glob("*.jsonl")
    assert b'"base64"' in kept.read_bytes()
    assert str(kept) in caplog.text
    assert again.set_aside == 1


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
def test_unacknowledged_entries_survive_whatever_happens(steps: list[tuple[str, int]], max_disk_bytes: int) -> None:
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


def test_a_full_disk_keeps_batches_in_memory_until_there_is_room(
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
    assert "points, because" in caplog.text
    first = journal.first()
    assert first is not None
    assert wire.decode(first[1]) == ({"writer": ABOUT.writer, "number": 1}, [])
    assert numbers(journal) == [1, 2, 3, 4, 5]  # no number is missing


# Killed in the middle of writing

WRITE_FOR_EVER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from keepbest.journal.journal import Journal
from tests.keepbest.journal.test_journal import ABOUT, batch
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
