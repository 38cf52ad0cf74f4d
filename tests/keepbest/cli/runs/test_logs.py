"""What a run printed, as it comes to a terminal; how it is cleaned is in test_words.py."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keepbest.cli.runs.log_lines import Output
from keepbest.contract.runs import ExternalSource, RunRequest
from keepbest.contract.validations import LogPiece
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.cli.test_verbs import submit
from tests.support.live import FakeWorker, Live

pytestmark = pytest.mark.usefixtures("signed_in")


def test_a_progress_bar_is_one_line_however_it_was_cut() -> None:
    """tqdm's refreshes were a line each."""
    output = Output()
    pieces = ["\r 1/9", "\r 5/9\r 9", "/9\nloss\r\n", "\rend"]
    at = datetime.now(UTC)
    said = [LogPiece(seq=n, attempt=1, stream="stdout", text=text, at=at) for n, text in enumerate(pieces)]
    assert ["".join(output.add([one])) for one in said] + [output.rest()] == ["", "", " 9/9\nloss\n", "", "end\n"]


def test_logs_say_where_there_are_none(keepbest: Keepbest, live: Live, worker: FakeWorker) -> None:
    queued = submit(live)
    assert keepbest("logs", queued.id).err == f"Nothing yet: {queued.id} is queued  waiting for a worker.\n"
    with live.client() as client:
        script = client.submit(RunRequest(source=ExternalSource(), monitor="val_loss"))
    assert "keepbest.init(capture=True)" in keepbest("logs", script.id).err
