"""A program's output in lines, however it came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.journal.output import PIECE_BYTES, Lines


def read(*pieces: bytes) -> str:
    lines = Lines()
    return "".join([text for piece in pieces for text in lines.add(piece)] + lines.rest())


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((b"a\nb",), "a\nb"),
        ((b"a", b"b\n", b"c\n"), "ab\nc\n"),
        ((b"windows\r\n", b"more\r", b"\n"), "windows\nmore\n"),
        ((b"\r 1/9", b"\r 5/9\r 9", b"/9\nloss\n"), " 9/9\nloss\n"),
        ((b"1/9\r", b"2/9\r"), "2/9"),
        ((b"done\r\r", b"\n"), "done\n"),
        (("näh".encode()[:2], "näh".encode()[2:]), "näh"),
        ((b"\xff\0\n",), "\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\n"),
        ((), ""),
    ],
)
def test_lines(pieces: tuple[bytes, ...], text: str) -> None:
    assert read(*pieces) == text


@given(st.text(alphabet="ab\n\r€", max_size=40), st.data())
def test_it_does_not_matter_how_output_is_cut(text: str, data: st.DataObject) -> None:
    whole = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(*pieces) == read(whole)


def test_a_line_without_an_end_is_cut_between_characters() -> None:
    lines, whole = Lines(), ("€" * PIECE_BYTES).encode()
    texts = [text for start in range(0, len(whole), 1000) for text in lines.add(whole[start : start + 1000])]
    assert max(map(len, texts)) <= 2 * PIECE_BYTES
    assert "".join(texts + lines.rest()) == "€" * PIECE_BYTES
