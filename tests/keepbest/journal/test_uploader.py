"""Buffer -> journal -> tracker, against a tracker that is there, away, slow, forgetful or hostile."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from keepbest.contract.batches import Progress
from keepbest.contract.commands import Command
from keepbest.errors import KeepbestError, LeaseLost
from keepbest.journal.batch import Logged
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.journal.left_over import drain_left_over
from keepbest.journal.uploader import Uploader
from tests.support.processes import wait_until
from tests.support.tiny_tracker import NOW, TinyTracker, error

AT = datetime(2026, 1, 1, tzinfo=UTC)
ABOUT = JournalOwner(run="0000000000aa", writer="000000000001", lease="lease-token")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Start uploaders that end with the test."""
    uploaders: list[Uploader] = []

    def start(tracker: TinyTracker | None, **options: Any) -> Uploader:
        journal = Journal.create(tmp_path, ABOUT)
        client = tracker.client() if tracker is not None else None
        uploader = Uploader(journal, client, **{"every_seconds": 0.02, "poll_seconds": 0.1, **options})
        uploader.start()
        uploaders.append(uploader)
        return uploader

    yield start
    for uploader in uploaders:
        uploader.close()


def logged(step: int, segment: int = 0, **values: float) -> Logged:
    return step, 1.5 * step, segment, values


def test_what_is_watched_is_asked_until_the_end(tracker: TinyTracker, started: Any) -> None:
    uploader, news = started(tracker), [Progress(step=7, at=AT), None, Progress(step=9, at=AT)]
    uploader.watch(lambda: news.pop(0) if news else None)
    wait_until(lambda: not news)
    assert uploader.drain(5)
    said = [batch["progress"]["step"] for batch, _ in tracker.batches[ABOUT.writer] if batch.get("progress")]
    assert said == [7, 9]
    uploader.close()
    news.append(Progress(step=11, at=AT))
    assert not uploader._watched


def test_points_travel_as_columns_per_segment_and_key(tracker: TinyTracker, started: Any) -> None:
    uploader = started(tracker, every_seconds=5)
    uploader.put(logged(1, loss=0.5, accuracy=0.1))
    uploader.put(logged(2, loss=math.inf))
    uploader.put(logged(2, segment=1, loss=0.25))
    assert uploader.drain(5)
    ((_, parts),) = tracker.batches[ABOUT.writer]
    assert [(part.segment, part.key, part.steps.tolist(), part.values.tolist()) for part in parts] == [
        (0, "loss", [1, 2], [0.5, math.inf]),
        (0, "accuracy", [1], [0.1]),
        (1, "loss", [2], [0.25]),
    ]
    assert parts[0].times.tolist() == [1.5, 3.0]


def test_many_points_are_split_into_batches_the_tracker_takes(tracker: TinyTracker, started: Any) -> None:
    uploader = started(tracker)
    for step in range(250_000):
        uploader.put(logged(step, loss=0.5))
    assert uploader.drain(20)
    sizes = [sum(len(part) for part in parts) for _, parts in tracker.batches[ABOUT.writer]]
    assert sum(sizes) == 250_000
    assert max(sizes) <= 100_000
    assert tracker.points("loss") == [(step, 0.5) for step in range(250_000)]


def test_a_tracker_that_goes_away_and_comes_back_misses_nothing(
    tracker: TinyTracker, started: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uploader = started(tracker)
    uploader.put(logged(1, loss=0.5))
    wait_until(lambda: tracker.points("loss"), what="the first point")
    tracker.down()
    uploader.put(logged(2, loss=0.4))
    wait_until(lambda: uploader.problem, what="the outage to be noticed")
    assert len(uploader.journal) == 1  # safe on disk meanwhile
    uploader.put(logged(3, loss=0.3))
    tracker.up()
    assert uploader.drain(10)
    assert tracker.points("loss") == [(1, 0.5), (2, 0.4), (3, 0.3)]
    assert "Training goes on" in caplog.text
    assert "answers again" in caplog.text
    assert uploader.problem is None


def test_a_long_outage_is_said_once(tracker: TinyTracker, started: Any, caplog: pytest.LogCaptureFixture) -> None:
    tracker.down()
    uploader = started(tracker)
    for step in range(3):
        uploader.put(logged(step, loss=0.5))
        uploader.drain(0.2)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_batch_sent_twice_for_a_lost_answer_is_taken_once(tracker: TinyTracker, started: Any) -> None:
    tracker.lose_answers = 2
    uploader = started(tracker)
    uploader.put(logged(1, loss=0.5))
    assert uploader.drain(10)
    assert sum("batches" in request for request in tracker.requests) == 3
    assert tracker.points("loss") == [(1, 0.5)]


def test_a_busy_tracker_is_asked_again(tracker: TinyTracker, started: Any) -> None:
    tracker.error = error("busy")
    uploader = started(tracker)
    uploader.put(logged(1, loss=0.5))
    wait_until(lambda: uploader.problem, what="the refusal")
    assert uploader.lost_to is None
    tracker.error = None
    assert uploader.drain(10)


def test_a_hanging_tracker_does_not_hold_whoever_logs(tracker: TinyTracker, started: Any) -> None:
    tracker.hold = Event()
    uploader = started(tracker)
    uploader.put(logged(1, loss=0.5))
    wait_until(lambda: len(uploader.journal), what="the batch")
    for step in range(2, 10_000):
        uploader.put(logged(step, loss=0.5))  # would hang here for ever
    assert not uploader.drain(0.1)
    tracker.hold.set()
    assert uploader.drain(10)
    assert len(tracker.points("loss")) == 9_999


def test_a_lost_lease_ends_the_sending_and_keeps_the_journal(tracker: TinyTracker, started: Any) -> None:
    tracker.error = error("lease_lost")
    heard: list[KeepbestError] = []
    uploader = started(tracker, on_lost=heard.append)
    uploader.put(logged(1, loss=0.5))
    wait_until(lambda: heard, what="the owner to be told")
    uploader.put(logged(2, loss=0.4))
    assert not uploader.drain(2)
    uploader.close()
    assert [type(told) for told in heard] == [LeaseLost]
    tracker.error = None
    assert drain_left_over(uploader.journal.folder.parent, tracker.client()).sent == 2
    assert tracker.points("loss") == [(1, 0.5), (2, 0.4)]


def test_points_that_are_refused_do_not_hold_up_the_rest(tracker: TinyTracker, started: Any) -> None:
    tracker.refuse_points = True
    uploader = started(tracker)
    uploader.put(logged(1, loss=0.5))
    assert uploader.drain(5)
    tracker.refuse_points = False
    uploader.put(logged(2, loss=0.4))
    assert uploader.drain(5)
    assert tracker.points("loss") == [(2, 0.4)]
    assert uploader.journal.set_aside == 1


def test_a_tracker_restored_from_an_old_backup_gets_what_follows(tracker: TinyTracker, started: Any) -> None:
    uploader = started(tracker)
    for step in (1, 2):
        uploader.put(logged(step, loss=0.5))
        assert uploader.drain(5)
    tracker.batches.clear()
    uploader.put(logged(3, loss=0.5))
    assert uploader.drain(5)
    assert tracker.points("loss") == [(3, 0.5)]


def test_each_command_comes_once_with_a_batch_or_by_polling(tracker: TinyTracker, started: Any) -> None:
    heard: list[Command] = []
    uploader = started(tracker, on_command=heard.append)
    tracker.commands = [command("000000000001")]
    wait_until(lambda: heard, what="the polled command")
    tracker.commands.append(command("000000000002"))
    uploader.put(logged(1, loss=0.5))
    assert uploader.drain(5)
    asked = len(tracker.requests)
    wait_until(lambda: len(tracker.requests) >= asked + 2, what="two more polls")
    assert [told.id for told in heard] == ["000000000001", "000000000002"]


def test_a_reporter_at_rest_polls_and_sends_nothing_else(tracker: TinyTracker, started: Any) -> None:
    started(tracker)
    wait_until(lambda: len(tracker.requests) >= 3, what="three polls")
    assert {request.split("?")[0] for request in tracker.requests} == {f"GET /api/v1/runs/{ABOUT.run}/commands"}


def test_offline_everything_goes_to_the_journal(started: Any) -> None:
    uploader = started(None)
    uploader.put(logged(1, loss=0.5))
    assert uploader.drain(5)
    assert len(uploader.journal) == 1


def test_what_cannot_be_reported_is_left_out_and_said(
    tracker: TinyTracker, started: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uploader = started(tracker, every_seconds=5)
    bad: Any = {"loss": "not a number"}
    for item in (logged(1, loss=0.5), (2, 0.0, 0, bad), logged(3, loss=0.4)):
        uploader.put(item)
    assert uploader.drain(5)
    assert tracker.points("loss") == [(1, 0.5), (3, 0.4)]
    assert "left out" in caplog.text


def test_the_thread_survives_its_own_errors(
    tracker: TinyTracker, started: Any, caplog: pytest.LogCaptureFixture
) -> None:
    uploader = started(tracker)
    uploader.put((1, 0.0, 0, {"": 0.5}))  # a key that no batch can carry
    wait_until(lambda: "met an error and goes on" in caplog.text, what="the message")
    uploader.put(logged(2, loss=0.5))
    assert uploader.drain(5)
    assert tracker.points("loss") == [(2, 0.5)]


def test_closing_without_draining_leaves_all_on_disk(tracker: TinyTracker, started: Any) -> None:
    tracker.down()
    uploader = started(tracker, every_seconds=5)
    uploader.put(logged(1, loss=0.5))
    uploader.close()
    assert len(Journal.open(uploader.journal.folder)) == 1


def command(number: str) -> dict[str, Any]:
    return {
        "id": number,
        "run": ABOUT.run,
        "kind": "stop",
        "state": "requested",
        "requested_by": "ada",
        "requested_at": NOW,
    }


def test_written_entries_survive_while_the_tracker_is_away(started: Any, tmp_path: Path) -> None:
    uploader = started(None, every_seconds=60)
    uploader.put(logged(1, loss=0.5))
    assert uploader.write_down(5)
    assert uploader.journal.last_number == 1
    uploader.close()
    assert not uploader.write_down(0)
