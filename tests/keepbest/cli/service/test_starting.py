"""`doctor` beside a worker that is just starting: it waits for its first word, or for its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keepbest.cli.service import doctor
from keepbest.cli.service.doctor import Diagnosis
from keepbest.cli.service.starting import Starting, WaitingNotice, is_starting
from keepbest.settings import load
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_a_worker_is_starting_while_its_service_holds_that(tmp_path: Path) -> None:
    starting = Starting(tmp_path)
    assert not is_starting(tmp_path)
    starting.begin()
    assert is_starting(tmp_path)
    starting.end()
    assert not is_starting(tmp_path)
    (tmp_path / "worker-starting").touch()  # what a killed service leaves
    assert not is_starting(tmp_path)


def test_it_is_said_now_and_then_for_what_one_waits() -> None:
    told, times = list[str](), iter([0.0, 5.0, 10.5, 10.5, 12.0, 21.0, 21.0])
    waiting = WaitingNotice("the worker", told.append, lambda: next(times))
    for expected in (0, 1, 1, 2):
        waiting.remind()
        assert len(told) == expected


def look_while(home: Path, monkeypatch: pytest.MonkeyPatch, then: Callable[[Starting], object]) -> Diagnosis:
    """Return what doctor finds of workers, where `then` happens while it waits."""
    home.mkdir(exist_ok=True)
    starting = Starting(home)
    starting.begin()
    monkeypatch.setattr(WaitingNotice, "pause", lambda waiting: then(starting))
    found = {one.name: one for one in doctor.check_tracker(load())}
    starting.end()
    return found["workers"]


def test_doctor_waits_for_the_first_word(home: Path, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """It said "none alive" of a worker that came a second later."""
    workers = list[FakeWorker]()

    assert look_while(home, monkeypatch, lambda starting: workers.append(live.add_worker())).state == "ok"
    assert len(workers) == 1
    workers[0].client.close()


def test_doctor_tells_of_a_worker_that_ended(home: Path, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "worker.log").write_text("one\nno space left\n")
    found = look_while(home, monkeypatch, lambda starting: starting.end())
    assert (found.state, found.words) == ("fail", "the worker ended while it started: no space left")
