"""What the exit of a command means."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.assignments import make_assignment
from worker.command import command
from worker.command.command import UserCommand
from worker.run_folder import TrainerJob


class Folder:
    """As much of a run's folder as a conclusion needs."""

    path: Any = None

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def write_outcome(self, release: Any) -> None:
        self.outcomes.append(release.outcome)

    def read_tail(self, size: int) -> str:
        return ""


@pytest.mark.parametrize(
    ("code", "died_of", "outcome"),
    [(0, [], "finished"), (3, [], "failed"), (-9, [9], None), (143, [signal.SIGTERM], None), (142, [], "failed")],
)
def test_a_script_ended_by_sigterm_is_tried_again_as_if_killed(
    monkeypatch: pytest.MonkeyPatch, code: int, died_of: list[int], outcome: str | None
) -> None:
    """It turns the signal into an exit code, after its best is on disk."""
    folder, signals = Folder(), list[int]()

    def die(number: int) -> None:
        signals.append(number)
        raise SystemExit

    monkeypatch.setattr(command, "_die_of", die)
    monkeypatch.setattr(command, "find_said", lambda path: None)
    one, job = (
        UserCommand.__new__(UserCommand),
        TrainerJob(assignment=make_assignment(), url="http://tracker", store=Path()),
    )
    one._folder, one._job, one._is_asked_to_end = folder, job, False  # type: ignore[assignment]
    if died_of:
        with pytest.raises(SystemExit):
            one._conclude(code)
    else:
        one._conclude(code)
    assert (signals, folder.outcomes) == (died_of, [outcome] if outcome else [])
