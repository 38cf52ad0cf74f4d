"""Every command of the page about exports runs as it stands, against the real tracker."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from keepbest.cli.common.errors import Exit
from tests.keepbest.cli.conftest import Run as Keepbest
from tests.keepbest.cli.exports.test_export import measure
from tests.support.live import FakeWorker, Live
from tests.support.processes import ROOT

pytestmark = pytest.mark.usefixtures("signed_in")

PAGE = (ROOT / "docs" / "howto" / "export.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)
    for line in block.splitlines()
    if line.startswith("keepbest ")
]


def test_the_commands_of_the_page_run(
    keepbest: Keepbest, live: Live, worker: FakeWorker, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if any("parquet" in command for command in COMMANDS):
        pytest.importorskip("pyarrow", reason="needs pyarrow: make install")
    ids = {"7k2m": measure(live, worker, [0.5, 0.25])}
    worker.finish()
    ids["9x1p"] = measure(live, live.add_worker(name="other"), [1.5], "second")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEEPBEST_DATABASE_URL", sqlite_url)
    assert len(COMMANDS) >= 9
    for command in COMMANDS:
        _, *words = shlex.split(command)
        told = keepbest(*(ids.get(word, word) for word in words))
        assert told.status == Exit.OK, (command, told.err)
