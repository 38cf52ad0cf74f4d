"""Recipes right after `keepbest up`: its worker's first word is waited for, and nobody else's."""

from __future__ import annotations

import os
from pathlib import Path
from time import time

import pytest

from keepbest.cli.service import recipes
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


class Naps:
    """Sleep that takes no time; in the second nap the worker says hello."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.count = 0
        self.worker: FakeWorker | None = None

    def nap(self, seconds: float) -> None:
        self.count += 1
        if self.count == 2:
            self.worker = self.live.add_worker()


@pytest.fixture
def naps(live: Live, monkeypatch: pytest.MonkeyPatch) -> Naps:
    naps = Naps(live)
    monkeypatch.setattr(recipes, "sleep", naps.nap)
    return naps


def write_address(home: Path, url: str, age_seconds: float = 0.0) -> None:
    """Leave what `keepbest up` leaves in its folder when its tracker answers."""
    home.mkdir(exist_ok=True)
    (home / "address").write_text(url)
    os.utime(home / "address", (time() - age_seconds,) * 2)


@pytest.mark.parametrize(
    "line", [("submit", "hvass-cnn"), ("sweep", "hvass-cnn", "--grid", "units=8,16"), ("recipes", "hvass-cnn")]
)
def test_who_types_fast_is_waited_for(keepbest: Keepbest, home: Path, live: Live, naps: Naps, line: list[str]) -> None:
    """A second after `keepbest up`: error: There is no recipe 'softmax-beginners'."""
    write_address(home, live.url)
    done = keepbest(*line)
    assert (done.status, naps.count) == (0, 2)
    assert "No worker has registered yet, but the service has just started: waiting for one." in done.err
    assert naps.worker is not None
    naps.worker.client.close()


@pytest.mark.parametrize(("own", "age_seconds"), [(True, recipes.STARTING_SECONDS + 1), (False, 0.0)])
def test_a_service_that_is_not_just_starting_fails_at_once(
    keepbest: Keepbest, home: Path, live: Live, naps: Naps, own: bool, age_seconds: float
) -> None:
    write_address(home, live.url if own else "http://127.0.0.1:9", age_seconds)
    failed = keepbest("submit", "hvass-cnn")
    assert (failed.status, naps.count) == (2, 0)
    assert "No worker has announced its recipes yet, so 'hvass-cnn' is not known." in failed.err
    assert "keepbest worker" in failed.err
