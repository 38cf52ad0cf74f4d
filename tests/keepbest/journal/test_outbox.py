"""The outbox: whole parcels in order, copies of their own, and their delivery past what the tracker refuses."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from keepbest.errors import InvalidInput, KeepbestError, LeaseLost, NotFound, Unreachable
from keepbest.journal import file_delivery, outbox
from keepbest.journal.file_delivery import FileSender, send_files, set_files_aside
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.left_over import drain_left_over
from keepbest.journal.outbox import Outbox, data_of, has_parcels
from tests.support.processes import wait_until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = JournalOwner("a" * 12, "b" * 12, "the lease")


class Files:
    """Routes of artifacts that keep what they are sent; `errors` are raised first, one a request."""

    def __init__(self, *errors: KeepbestError, known: tuple[str, ...] = ()) -> None:
        self.errors = list(errors)
        self.known = known
        self.taken: list[tuple[str, str, bytes | None, str]] = []

    def put(self, run: str, path: str, file: BinaryIO | None, *, digest: str, **facts: Any) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if file is None and digest not in self.known:
            raise NotFound("unknown", field="digest")
        self.taken.append((run, path, None if file is None else file.read(), facts["lease"]))


class FakeTracker:
    def __init__(self, *errors: KeepbestError, known: tuple[str, ...] = ()) -> None:
        self.files: Any = Files(*errors, known=known)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    made = Journal.create(tmp_path / "journals", OWNER)
    made.close()
    made = Journal.create(tmp_path / "journals", OWNER)
    return made.folder


def add(journal: Path, path: str, data: bytes | Path) -> None:
    Outbox(journal).add(path, data, "file", "text/plain", NOW)


def test_a_parcel_is_a_copy_and_keeps_its_order(journal: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("first")
    add(journal, "a", mine)
    mine.write_text("second, and longer")
    add(journal, "a", mine)
    add(journal, "b/c", b"")
    waiting = Outbox(journal).waiting()
    assert [(parcel.path, data_of(record).read_bytes()) for record, parcel in waiting] == [
        ("a", b"first"), ("a", b"second, and longer"), ("b/c", b""),
    ]  # fmt: skip
    newest = Outbox(journal).newest("a")
    assert newest is not None
    assert newest.read_bytes() == b"second, and longer"
    assert Outbox(journal).newest("c") is None


def test_a_parcel_is_added_while_the_last_one_leaves(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender took the empty folder away, between the two steps in which a script put its next file there."""
    add(journal, "a", b"1")
    ((record, _),) = Outbox(journal).waiting()
    monkeypatch.setattr(Outbox, "_check_room", lambda self, size: Outbox(journal).remove(record))
    add(journal, "b", b"2")
    assert [parcel.path for _, parcel in Outbox(journal).waiting()] == ["b"]


def test_a_file_without_its_record_is_no_parcel(journal: Path) -> None:
    add(journal, "a", b"1")
    (journal / "files" / "00000007.bytes").write_bytes(b"half")
    add(journal, "b", b"2")
    assert [record.name for record, _ in Outbox(journal).waiting()] == ["00000001.json", "00000008.json"]


def test_a_full_disk_and_a_missing_file_keep_nothing(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="No such file"):
        add(journal, "a", journal / "missing")
    monkeypatch.setattr(outbox, "SPARE_BYTES", 2**60)
    with pytest.raises(OSError, match="MiB left"):
        add(journal, "a", b"1")
    assert not has_parcels(journal)


def test_files_are_sent_in_order_under_the_lease(journal: Path) -> None:
    tracker = FakeTracker()
    add(journal, "a", b"1")
    add(journal, "a", b"2")
    assert send_files(journal, OWNER, tracker) == 2
    assert tracker.files.taken == [(OWNER.run, "a", b"1", "the lease"), (OWNER.run, "a", b"2", "the lease")]
    assert Outbox(journal).waiting() == []


def test_large_files_that_the_tracker_knows_are_not_sent(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_delivery, "ASK_FROM_BYTES", 3)
    add(journal, "known", b"12345")
    add(journal, "new", b"54321")
    (first, _), _ = Outbox(journal).waiting()
    tracker = FakeTracker(known=(outbox.digest_of(data_of(first)),))
    send_files(journal, OWNER, tracker)
    assert [(path, data) for _, path, data, _ in tracker.files.taken] == [("known", None), ("new", b"54321")]


def test_a_refused_file_holds_up_no_other(journal: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    add(journal, "a", b"1")
    add(journal, "b", b"2")
    tracker = FakeTracker(InvalidInput("no room"))
    assert send_files(journal, OWNER, tracker) == 1
    assert [path for _, path, _, _ in tracker.files.taken] == ["b"]
    kept = [path for path in (tmp_path / "set-aside").rglob("*") if path.is_file()]
    assert sorted(path.read_bytes()[:1] for path in kept) == [b"1", b"{"]
    assert caplog.text.count("the tracker refused the file 'a' (no room)") == 1


@pytest.mark.parametrize("error", [Unreachable("away"), LeaseLost("another's")])
def test_what_has_to_wait_stays(journal: Path, error: KeepbestError) -> None:
    add(journal, "a", b"1")
    with pytest.raises(type(error)):
        send_files(journal, OWNER, FakeTracker(error))
    assert has_parcels(journal)
    set_files_aside(journal, OWNER, error)
    assert not has_parcels(journal)


def test_a_parcel_whose_bytes_are_gone_is_named_once(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    add(journal, "a", b"1")
    add(journal, "b", b"2")
    data_of(Outbox(journal).waiting()[0][0]).unlink()
    tracker = FakeTracker()
    assert send_files(journal, OWNER, tracker) == 1
    assert not has_parcels(journal)
    assert caplog.text.count("the bytes of file 'a' are gone") == 1


def test_a_closed_sender_begins_no_other_file(journal: Path) -> None:
    tracker = FakeTracker()
    for path in ("a", "b", "c"):
        add(journal, path, b"1")
    assert send_files(journal, OWNER, tracker, goes_on=lambda: not tracker.files.taken) == 1
    assert [parcel.path for _, parcel in Outbox(journal).waiting()] == ["b", "c"]


def test_a_journal_with_files_outlives_its_process(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path / "journals", OWNER)
    add(journal.folder, "a", b"1")
    journal.close()
    assert journal.folder.is_dir()
    away: Any = FakeTracker(Unreachable("away"))
    assert drain_left_over(tmp_path / "journals", away).problems == ("away",)
    back: Any = FakeTracker()
    left = drain_left_over(tmp_path / "journals", back)
    assert (left.sent_files, left.problems) == (1, ())
    assert list((tmp_path / "journals").iterdir()) == []


def test_the_thread_tries_again_until_the_tracker_answers(
    journal: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_delivery, "FIRST_PAUSE_SECONDS", 0.01)
    tracker = FakeTracker(Unreachable("away"), Unreachable("away"))
    sender = FileSender(journal, lambda: OWNER, tracker)
    add(journal, "a", b"1")
    sender.wake()
    assert sender.drain(60, is_patient=False)
    add(journal, "b", b"2")
    sender.wake()
    wait_until(lambda: len(tracker.files.taken) == 2, what="both files")
    assert sender.drain(60, is_patient=True)
    sender.close()
    assert caplog.text.count("away") == 1


def test_a_drain_gives_up_and_says_so(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    sender = FileSender(journal, lambda: OWNER, FakeTracker(*[Unreachable("away")] * 99))
    add(journal, "a", b"1")
    sender.wake()
    assert not sender.drain(0.05, is_patient=True)
    assert has_parcels(journal)
    lost = FileSender(journal, lambda: OWNER, FakeTracker(LeaseLost("another's")))
    lost.wake()
    assert not lost.drain(60, is_patient=True)
    assert FileSender(journal, lambda: OWNER, None).drain(60, is_patient=True)
