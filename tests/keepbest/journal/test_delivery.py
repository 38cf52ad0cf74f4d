"""From a journal to the tracker: refusals, batches that break it, gaps, lost answers, what dead processes left."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.contract.batches import Batch, BatchReceipt, Columns, LogLines, Progress
from keepbest.contract.per_example import Examples
from keepbest.errors import BatchGap, Conflict, InvalidInput, KeepbestError, LeaseLost, NotFound, Unreachable
from keepbest.journal import delivery, set_aside, split, wire
from keepbest.journal.delivery import MAX_SET_ASIDE, MAX_TRIES, send_all, send_first
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.left_over import drain_left_over
from keepbest.journal.retry import send_again
from keepbest.journal.set_aside import list_set_aside
from tests.keepbest.journal.test_journal import ABOUT, POINTS, Tracker, filled
from tests.keepbest.journal.test_wire import points_of, validation

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BAD = 666  # a step that a picky tracker does not take

Refusal = Callable[[dict[str, Any]], None]


class Picky:
    """A tracker that takes each number of a writer once, and in order, and refuses what `judge` raises for.

    `answers` says of each request to come whether its answer arrives.
    """

    def __init__(self, error: KeepbestError, answers: list[bool] | None = None) -> None:
        self.error = error
        self.answers = list(answers or [])
        self.last: dict[str, int] = {}
        self.points: list[tuple[str, int]] = []
        self.validations: list[int] = []
        self.notes: list[str] = []
        self.requests = 0

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
        self.requests += 1
        header, parts = wire.decode(body)
        self.take(header, parts)
        if self.answers and not self.answers.pop(0):
            raise Unreachable("the answer is lost")
        return BatchReceipt(accepted=True, last_number=header["number"])

    def take(self, header: dict[str, Any], parts: list[wire.MetricPoints]) -> None:
        writer, number, last = header["writer"], header["number"], self.last.get(header["writer"], 0)
        if number > last + 1:
            raise BatchGap(f"{number} after {last}")
        if number <= last:
            return
        said = [(part.key, step) for part in parts for step in part.steps]
        validations = [one["step"] for one in header.get("validations", ())]
        if BAD in validations or any(step == BAD for _, step in said):
            raise self.error
        self.last[writer] = number
        self.points += said
        self.validations += validations
        self.notes += [line["text"] for line in header.get("logs", ()) if line["stream"] == "keepbest"]


def said(number: int, validations: list[int], points: list[int]) -> bytes:
    columns = [Columns(segment=0, key="loss", count=len(points))] if points else []
    taken = [validation(step) for step in validations]
    parts = [points_of("loss", [(step, 0.5, 0.0) for step in points])] if points else []
    return wire.encode(Batch(writer=ABOUT.writer, number=number, columns=columns, validations=taken), parts)


def journal_of(folder: Path, *bodies: bytes) -> Journal:
    journal = Journal.create(folder / "journals", ABOUT)
    for number, body in enumerate(bodies, start=1):
        journal.append(number, body)
    return journal


def kept(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for path in (folder / "set-aside").glob("*.jsonl") for line in path.read_bytes().splitlines()
    ]


def test_a_batch_is_forgotten_only_once_it_is_durable(tmp_path: Path) -> None:
    journal = filled(tmp_path, 1)
    with pytest.raises(Unreachable):
        send_first(journal, Tracker(Unreachable()))
    assert len(journal) == 1
    assert send_first(journal, Tracker()) is not None
    assert len(journal) == 0


REFUSALS = [InvalidInput("no such step"), KeepbestError("nobody foresaw that"), Conflict("another segment 3")]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_one_bad_entry_is_set_aside_and_all_else_arrives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, error: KeepbestError
) -> None:
    """`One validation with n = 2**63` held up every batch after it for ever (an answer of 500)."""
    monkeypatch.setattr(delivery, "PIECE_PAUSE_SECONDS", 0.0)
    journal = journal_of(tmp_path, said(1, [10], [1, 2]), said(2, [20, BAD, 30], [3, BAD, 4]), said(3, [40], [5]))
    tracker = Picky(error)
    send_all(journal, tracker, wait=lambda seconds: None)
    assert tracker.validations == [10, 20, 30, 40]
    assert tracker.points == [("loss", step) for step in (1, 2, 3, 4, 5)]
    assert tracker.last[ABOUT.writer] == 3  # no number is missing
    assert (len(journal), journal.set_aside) == (0, 2)
    assert [(one["number"], one["what"], one["why"]) for one in kept(tmp_path)] == [
        (2, f"loss at step {BAD}", str(error)),
        (2, f"validation at step {BAD}", str(error)),
    ]
    assert kept(tmp_path)[0]["batch"]["columns"][0]["steps"] == [BAD]
    assert "secret-lease" not in str(kept(tmp_path))
    (file,) = (tmp_path / "set-aside").glob("*.jsonl")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert caplog.text.count(str(file)) == 1
    assert [str(file) in note for note in tracker.notes] == [True]


def test_a_validation_is_kept_whose_examples_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Careful(Picky):
        def take(self, header: dict[str, Any], parts: list[wire.MetricPoints]) -> None:
            if any("examples" in one and one["step"] == 7 for one in header.get("validations", ())):
                raise self.error
            super().take(header, parts)

    validations = [validation(step, Examples(unpaired="it is a pipeline")) for step in (6, 7, BAD)]
    tracker = Careful(InvalidInput("not so"))
    send_all(
        journal_of(tmp_path, wire.encode(Batch(writer=ABOUT.writer, number=1, validations=validations), [])), tracker
    )
    assert tracker.validations == [6, 7]
    assert [one["what"] for one in kept(tmp_path)] == [
        "the examples of a validation at step 7",
        f"validation at step {BAD}",
    ]
    assert "refused the examples of a validation at step 7" in caplog.text


def test_what_is_set_aside_is_listed_by_run(tmp_path: Path) -> None:
    send_all(journal_of(tmp_path, said(1, [BAD], [BAD])), Picky(InvalidInput("no")))
    (file,) = list_set_aside(tmp_path)
    assert (file.run, file.entries, file.what, file.why) == (ABOUT.run, 2, f"validation at step {BAD}", "no")


def test_set_aside_entries_are_sent_again_newer_ones_stay(tmp_path: Path) -> None:
    send_all(journal_of(tmp_path, said(1, [BAD], [BAD, BAD])), Picky(InvalidInput("no")))
    (file,) = list_set_aside(tmp_path)
    set_aside.keep(
        JournalOwner(ABOUT.run, "0" * 12, ""), file.path, 1, said(1, [5], []), "of a journal without a lease"
    )
    set_aside.keep(ABOUT, file.path, 1, b"?", "damaged")

    with pytest.raises(Unreachable):
        send_again(file, Tracker(Unreachable()))
    writers, leases = list[str](), set[str]()

    class Upgraded(Tracker):
        def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
            said = Batch.model_validate_json(body)
            if not writers:
                set_aside.keep(ABOUT, file.path, 9, body, "meanwhile")
            writers.append(said.writer)
            leases.add(lease)
            if said.validations:
                raise InvalidInput("still not")
            return BatchReceipt(accepted=True, last_number=1)

    for _ in range(2):  # the second time nothing is taken
        came = send_again(file, Upgraded())
    assert (came.taken, came.problem) == (0, "it cannot be read")
    assert (leases, len(writers), len(set(writers))) == ({ABOUT.lease}, 4, 3)
    assert [one["why"] for one in kept(tmp_path)] == ["no", "of a journal without a lease", "damaged", "meanwhile"]


def test_a_tracker_that_takes_nothing_is_not_the_batch_s_fault(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, said(1, [1], []))
    broken = Tracker(*[KeepbestError("no space left")] * 100)
    with pytest.raises(KeepbestError, match="no space left"):
        send_all(journal, broken, wait=lambda seconds: None)
    assert (len(journal), kept(tmp_path)) == (1, [])
    assert 100 - len(broken.errors) == MAX_TRIES + 1  # and the proof
    send_all(journal, Tracker())
    assert len(journal) == 0


@pytest.mark.parametrize("error", [LeaseLost("gone"), NotFound("deleted")])
def test_who_may_not_send_any_more_is_told_so(tmp_path: Path, error: KeepbestError) -> None:
    journal = journal_of(tmp_path, said(1, [1], []))
    with pytest.raises(type(error)):
        send_all(journal, Tracker(error, error))
    assert (len(journal), kept(tmp_path)) == (1, [])


def test_a_batch_that_is_all_bad_is_not_split_for_ever(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, said(1, [], [BAD] * 5000), said(2, [2], []))
    tracker = Picky(InvalidInput("no"))
    send_all(journal, tracker)
    assert tracker.validations == [2]
    assert len(kept(tmp_path)) <= MAX_SET_ASIDE + 20
    assert sum(len(one["batch"]["columns"][0]["steps"]) for one in kept(tmp_path)) == 5000
    assert tracker.requests < 10 * MAX_SET_ASIDE


@pytest.mark.parametrize("body", [b"", b"\xff\xff\xff\xff", b"\x02\0\0\0[]", b'\x0f\0\0\0{"columns":[1]}'])
def test_what_cannot_be_read_is_set_aside_as_it_is(tmp_path: Path, body: bytes) -> None:
    class Strict(Tracker):
        def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
            wire.decode(body)
            return super().post_batch(run, body, content_type, lease)

    tracker = Strict()
    send_all(journal_of(tmp_path, body, said(2, [2], [])), tracker)
    assert [wire.decode(body)[0].get("validations", []) != [] for body in tracker.bodies][-1]
    assert [set(one) & {"base64", "batch"} for one in kept(tmp_path)] == [{"base64"}]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from([1, 2, BAD]), max_size=3), st.lists(st.sampled_from([1, BAD]), max_size=4)),
        max_size=4,
    ),
    st.lists(st.booleans(), max_size=60),
    st.lists(st.booleans(), max_size=60),
)
def test_each_good_entry_arrives_once_whatever_fails(
    batches: list[tuple[list[int], list[int]]], answers: list[bool], deaths: list[bool]
) -> None:
    with TemporaryDirectory() as folder:
        bodies = [said(number, *both) for number, both in enumerate(batches, start=1)]
        journal = journal_of(Path(folder), *bodies)
        tracker = Picky(InvalidInput("no"), answers)
        while len(journal):
            try:
                send_first(journal, tracker)
            except Unreachable:
                if deaths and deaths.pop():
                    journal.close()
                    journal = Journal.open(journal.folder)
        journal.close()
        assert tracker.validations == [step for validations, _ in batches for step in validations if step != BAD]
        assert [step for _, step in tracker.points] == [step for _, steps in batches for step in steps if step != BAD]
        missing = sum(step == BAD for validations, steps in batches for step in (*validations, *steps))
        assert len(kept(Path(folder))) == missing
        assert not journal.folder.exists()


def test_every_kind_of_record_can_be_taken_out_of_a_batch() -> None:
    lists = {name for name, field in Batch.model_fields.items() if "list[" in str(field.annotation)}
    assert set(split.LISTS) == lists
    assert set(Batch.model_fields) - lists == {"writer", "number", "progress"}


def test_entries_are_split_in_the_order_of_their_dependence(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    body = wire.encode(
        Batch(
            writer=ABOUT.writer,
            number=1,
            validations=[validation(1), validation(BAD)],
            logs=[LogLines(stream="stdout", offset=0, text="x", at=now)],
            progress=Progress(step=7, at=now),
        ),
        [],
    )
    seen: list[str] = []

    class Watching(Picky):
        def take(self, header: dict[str, Any], parts: list[wire.MetricPoints]) -> None:
            super().take(header, parts)
            seen.extend(name for name in header if name not in ("writer", "number"))

    send_all(journal_of(tmp_path, body), Watching(InvalidInput("no")))
    assert seen == ["validations", "logs", "progress", "logs"]  # the last one says what is missing


def test_an_older_tracker_gets_all_but_what_examples_did(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It refuses what it does not know: the points and the validations of the batch would be lost with it."""
    journal = Journal.create(tmp_path, ABOUT)
    for number in (1, 2):
        validations = [validation(number, Examples(unpaired="it is a pipeline"))]
        said = Batch(
            writer=ABOUT.writer,
            number=number,
            validations=validations,
            columns=[Columns(segment=0, key="loss", count=2)],
        )
        journal.append(number, wire.encode(said, [POINTS]))
    tracker = Tracker(
        InvalidInput("validations.0.examples: Extra inputs are not permitted.", field="validations.0.examples")
    )
    while len(journal):
        send_first(journal, tracker)
    assert [wire.count_points(body) for body in tracker.bodies] == [2, 2]
    assert [list(wire.decode(body)[0]["validations"][0]) for body in tracker.bodies] == 2 * [
        ["segment", "step", "decision", "at"]
    ]
    assert (journal.set_aside, caplog.text.count("the tracker is older")) == (0, 1)


def test_a_tracker_that_lost_data_gets_a_new_writer(tmp_path: Path) -> None:
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
        journal = Journal.create(tmp_path, JournalOwner(ABOUT.run, writer, f"lease of {writer}"))
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
