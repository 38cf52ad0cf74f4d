"""`keepbest sync` against the real tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.cli.failing import Exit
from keepbest.runs.start import init
from keepbest.status import RunState
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_runs_kept_offline_are_sent_once(
    keepbest: Keepbest, live: Live, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPBEST_MODE", "offline")
    with init(monitor="val_accuracy", mode="max", dir=home) as kept:
        kept.look(1, 0.5)
    (sent,) = keepbest("sync", "--json").json
    assert (sent["kept"], sent["problem"]) == (kept.id, None)
    with live.client() as client:
        assert client.run(sent["run"]).state is RunState.FINISHED
    assert keepbest("sync").out.strip() == "Everything is at the tracker already."


def test_what_cannot_be_sent_is_told(keepbest: Keepbest, home: Path) -> None:
    (home / "offline" / "broken").mkdir(parents=True)
    (home / "offline" / "broken" / "request.json").write_text("{")
    result = keepbest("sync")
    assert result.status == Exit.ERROR
    assert "broken" in result.out


def test_without_a_tracker_nothing_is_tried(keepbest: Keepbest, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPBEST_URL", "http://127.0.0.1:1")
    assert keepbest("sync").status == Exit.UNREACHABLE
