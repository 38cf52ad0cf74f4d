"""The trainer's output on its way to the tracker: whole lines, each byte once, nothing that breaks a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.contract.batches import Batch, BatchReceipt
from keepbest.errors import Unreachable
from keepbest.journal import wire
from tests.support.assignments import NOW, make_job
from worker.agent import output
from worker.agent.output import OutputTail, try_send
from worker.run_folder import RunFolder


class Taker:
    """Takes batches as a tracker would, unless it is away."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.is_away = False

    def post_batch(self, run: str, body: bytes, content_type: str, lease: str) -> BatchReceipt:
        if self.is_away:
            raise Unreachable
        self.batches.append(Batch.model_validate(wire.decode(body)[0]))
        return BatchReceipt(accepted=True, last_number=self.batches[-1].number)

    @property
    def lines(self) -> list[Any]:
        return [line for batch in self.batches for line in batch.logs]

    @property
    def text(self) -> str:
        return "".join(line.text for line in self.lines)


def make(path: Path) -> tuple[OutputTail, RunFolder, Taker]:
    folder, taker = RunFolder(path), Taker()
    tail = OutputTail(folder, make_job(path), taker, lambda: NOW)  # type: ignore[arg-type]  # as much as it needs
    return tail, folder, taker


def write(folder: RunFolder, content: bytes) -> None:
    with folder.output.open("ab") as file:
        file.write(content)


def test_whole_lines_are_sent_as_they_come(tmp_path: Path) -> None:
    tail, folder, taker = make(tmp_path)
    for content in (b"one\ntw", b"o\n", b"", b"three"):
        write(folder, content)
        tail.collect()
        tail.send()
    tail.collect(final=True)
    tail.send()
    assert [(line.offset, line.text) for line in taker.lines] == [(0, "one\n"), (4, "two\n"), (8, "three")]
    assert [batch.number for batch in taker.batches] == [1, 2, 3]


@given(pieces=st.lists(st.text(alphabet="ab\né€😀", max_size=40), max_size=8))
def test_no_byte_is_lost_or_doubled(pieces: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    tail, folder, taker = make(tmp_path_factory.mktemp("output"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "PIECE_BYTES", 16)
        for piece in pieces:
            write(folder, piece.encode())
            tail.collect()
        tail.collect(final=True)
    tail.send()
    assert taker.text == "".join(pieces)
    tail.close()


def test_what_is_not_text_does_no_harm(tmp_path: Path) -> None:
    tail, folder, taker = make(tmp_path)
    write(folder, b"\xff\xfe\0\x1b[31mred\n")
    tail.collect()
    tail.send()
    assert taker.text == "\ufffd\ufffd\ufffd\x1b[31mred\n"


def test_output_waits_while_the_tracker_is_away(tmp_path: Path) -> None:
    tail, folder, taker = make(tmp_path)
    taker.is_away = True
    write(folder, b"one\n")
    tail.collect()
    try_send(tail)
    taker.is_away = False
    write(folder, b"two\n")
    tail.collect()
    try_send(tail)
    assert taker.text == "one\ntwo\n"


def test_endless_output_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "MAX_OUTPUT_BYTES", 10)
    tail, folder, taker = make(tmp_path)
    for _ in range(5):
        write(folder, b"four\n")
        tail.collect()
    tail.send()
    assert taker.text == "four\nfour\n"


def test_our_own_words_go_in_between(tmp_path: Path) -> None:
    tail, _, taker = make(tmp_path)
    tail.say("Resumed.")
    tail.send()
    assert [(line.stream, line.text) for line in taker.lines] == [("keepbest", "Resumed.\n")]
