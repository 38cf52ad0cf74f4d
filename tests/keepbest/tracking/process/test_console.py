"""`init(capture=True)`: what a script, its native code and its children print is kept, and seen as before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keepbest.client.client import Client
from keepbest.journal.output import PIECE_BYTES
from keepbest.tracking.offline import find_offline, send_offline
from tests.support.environment import clean_environment
from tests.support.live import Live
from tests.support.processes import PATIENCE, Processes
from tests.support.tiny_tracker import TinyTracker

BEGIN = "import ctypes, os, subprocess, sys, time, keepbest; run = keepbest.init(capture=True, dir=sys.argv[1]); "
ALL = """
import multiprocessing
print("python", os.isatty(1))
print("to stderr", file=sys.stderr)
os.write(1, b"by descriptor\\n")
ctypes.CDLL(None).puts(b"native, held back")
subprocess.run(["echo", "from a command"])
if not (child := os.fork()):
    print("from a fork", flush=True)
    os._exit(0)
os.waitpid(child, 0)
for done in range(9):
    sys.stdout.write(f"\\r{done}/8")
print()
ctypes.CDLL(None).puts(b"native again")
# As native code does that holds the interpreter and prints more than a pipe holds.
ctypes.PyDLL(None).write(1, b"x" * 300_000 + b"\\n", 300_001)
left = subprocess.Popen(["sh", "-c", "read line; echo a child after the end"], stdin=subprocess.PIPE)
run.finish()
print("after the end")
left.communicate(b"\\n")
"""


def kept(tracker: TinyTracker, stream: str = "stdout") -> str:
    pieces = [piece for piece in tracker.said("logs") if piece["stream"] == stream]
    ends = [piece["offset"] + len(piece["text"].encode()) for piece in pieces]
    assert [piece["offset"] for piece in pieces[1:]] == ends[:-1]
    assert all(len(piece["text"]) <= 2 * PIECE_BYTES for piece in pieces)
    return "".join(piece["text"] for piece in pieces)


def test_whoever_prints_is_heard_and_seen(tmp_path: Path, tracker: TinyTracker, processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", BEGIN + ALL, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t")
    assert process.wait() == 0, process.output
    process.wait_until(lambda: "after the end\na child after the end\n" in process.output, what="the last words")
    text = kept(tracker)
    for line in ("python False", "to stderr", "by descriptor", "native, held back", "from a command", "from a fork"):
        assert line in text.splitlines()
        assert line in process.output.splitlines()
    assert "8/8\n" in text
    assert "0/8" in process.output
    assert "7/8" not in text
    assert "x" * 300_000 in text
    assert "x" * 300_000 in process.output
    assert "after the end" not in text


@pytest.mark.parametrize(
    ("rest", "code", "last"),
    [
        ("print('held back', end=''); raise ValueError('boom')", 1, "ValueError: boom\n"),
        ("print('held back', end=''); sys.exit(3)", 3, "held back"),
        ("print('held back', end=''); os.kill(os.getpid(), 15); time.sleep(60)", 143, "held back"),
        ("print('held back', end='', flush=True); subprocess.run(['kill', '--', f'-{os.getpid()}'])", 143, "held back"),
    ],
)
def test_the_last_words_are_kept_however_it_ends(
    tmp_path: Path, tracker: TinyTracker, processes: Processes, rest: str, code: int, last: str
) -> None:
    process = processes.start(
        sys.executable, "-c", BEGIN + rest, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t"
    )
    assert process.wait() == code, process.output
    assert "held back" in process.output
    assert kept(tracker).endswith(last)


def test_a_copier_that_is_killed_stops_no_script(tmp_path: Path, tracker: TinyTracker, processes: Processes) -> None:
    rest = """
from keepbest.tracking.process import console
print("before", flush=True)
console._living[0]._copier.kill()
while console._living:
    time.sleep(0.01)
print("after")
"""
    process = processes.start(
        sys.executable, "-c", BEGIN + rest, tmp_path, KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t"
    )
    assert process.wait() == 0, process.output
    assert "after\n" in process.output
    assert "another process ended the copy" in process.output


def test_a_terminal_stays_a_terminal(tmp_path: Path, tracker: TinyTracker) -> None:
    controller, terminal = os.openpty()
    text = BEGIN + "print('seen', os.isatty(1), os.isatty(2))"
    process = subprocess.Popen(
        [sys.executable, "-c", text, tmp_path],
        stdout=terminal,
        stderr=terminal,
        env=clean_environment(KEEPBEST_URL=tracker.url, KEEPBEST_TOKEN="t"),
    )
    os.close(terminal)
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
    assert "seen True True\r\n" in os.read(controller, PIECE_BYTES).decode()
    os.close(controller)
    assert kept(tracker) == "seen True True\n"


def test_two_streams_are_two_and_offline_processes_go_on(tmp_path: Path, live: Live, processes: Processes) -> None:
    text = (
        "import os, sys; out = os.open(sys.argv[1] + '/out', 577, 384); os.dup2(out, 1); import keepbest; "
        "run = keepbest.init(id='c0ns0ec0ns0e', capture=True, dir=sys.argv[1]); print('out'); os.write(2, b'err\\n')"
    )
    for _ in range(2):
        process = processes.start(sys.executable, "-c", text, tmp_path, KEEPBEST_MODE="offline")
        assert process.wait() == 0, process.output
    assert (tmp_path / "out").read_text() == "out\n"
    (folder,) = find_offline(tmp_path / "offline")
    with live.client() as client:
        sent = send_offline(folder, client)
        assert sent is not None
        assert read(client, sent.run, "stdout") == "out\nout\n"
        assert read(client, sent.run, "stderr").count("err\n") == 2


def read(client: Client, run: str, stream: str) -> str:
    return "".join(piece.text for piece in client.logs(run).pieces if piece.stream == stream)
