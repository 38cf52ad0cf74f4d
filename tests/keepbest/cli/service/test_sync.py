"""`keepbest sync` against the real tracker."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from keepbest.cli.service.doctor import check_record
from keepbest.contract.base import new_id
from keepbest.contract.batches import Batch
from keepbest.journal import wire
from keepbest.journal.journal import Journal, JournalOwner
from keepbest.settings import load
from keepbest.status import RunState
from keepbest.tracking.init import init
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.journal.test_wire import validation
from tests.support.live import Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_runs_kept_offline_are_sent_once(
    keepbest: Keepbest, live: Live, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPBEST_MODE", "offline")
    with init(monitor="val_accuracy", mode="max", dir=home) as kept:
        kept.report_validation(1, 0.5)
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


def test_what_no_tracker_takes_is_set_aside_and_the_rest_arrives(keepbest: Keepbest, live: Live, home: Path) -> None:
    """A validation with n = 2**63, as a script could say it, kept everything after it from the tracker for ever."""
    run = init(monitor="val_accuracy", mode="max", dir=home)
    assert run.recorder.uploader is not None
    about = JournalOwner(run.id, new_id(), run.recorder.uploader.journal.about.lease)
    journal = Journal.create(home / "journals", about)
    for number, n in ((1, 10), (2, 2**63), (3, 30)):
        body = wire.encode(Batch(writer=about.writer, number=number, validations=[validation(number)]), [])
        header, _ = wire.decode(body)
        journal.append(number, wire.pack({**header, "validations": [{**header["validations"][0], "n": n}]}, []))
    journal.close()
    told = keepbest("sync", "--json")
    assert [(one["kept"], one["state"]) for one in told.json] == [
        ("3 batches", "sent"),
        (str(home / "set-aside" / f"{run.id}.jsonl"), "set aside"),
    ]
    assert told.status == Exit.OK
    assert "validation at step 2" in told.json[1]["problem"]
    with live.client() as client:
        assert [one.step for one in client.validations(run.id).validations] == [1, 3]
        assert "validation at step 2" in "".join(piece.text for piece in client.logs(run.id).pieces)
    (finding,) = check_record(load())
    assert (finding.state, run.id in finding.words) == ("warn", True)
    file = home / "set-aside" / f"{run.id}.jsonl"
    assert [one["state"] for one in keepbest("sync", "--again", "--json").json] == ["set aside"]
    file.write_text(file.read_text().replace(str(2**63), "20"))  # as a newer tracker would take it
    told = keepbest("sync", "--again", "--json")
    assert [(one["kept"], one["run"], one["state"]) for one in told.json] == [("1 entries", run.id, "sent")]
    assert sorted(path.name for path in file.parent.iterdir()) == ["lock"]
    with live.client() as client:
        assert [(one.step, one.n) for one in client.validations(run.id).validations] == [(1, 10), (3, 30), (2, 20)]
    assert run.finish()
