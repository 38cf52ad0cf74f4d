"""Archives that somebody made or changed on purpose: each is refused with words, and nothing is read past the end."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from keepbest.archive import layout, reader, writer
from keepbest.archive.writer import Member
from keepbest.errors import InvalidInput

RUN = "r" * 12
HEADER: dict[str, Any] = {
    "keepbest": "0.1", "schema_revision": "0026", "made_at": "2026-01-01T00:00:00Z", "project": "p", "runs": [],
}  # fmt: skip
ROWS = layout.name_part(f"runs/{RUN}", "runs", 0)


def member(name: str, content: bytes) -> Member:
    return Member(name, len(content), partial(list, [content]))


def make(*members: Member, **header: Any) -> bytes:
    head = member(layout.HEADER, json.dumps({**HEADER, **header}).encode())
    return b"".join(writer.stream([head, *members]))


def entry(name: str, content: bytes = b"", **changes: Any) -> bytes:
    """Return the head of a member as tar writes it, and its content."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


def check(content: bytes) -> reader.Archive:
    return reader.check(io.BytesIO(content))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    big = b"x" * (2 * reader.PIECE + 7)
    content = make(member(ROWS, b"{}\n"), member(f"objects/{'a' * 64}.file", big))
    archive = check(content)
    assert (archive.size, archive.header.project) == (len(content), "p")
    assert archive.read(ROWS) == b"{}\n"
    assert b"".join(archive.pieces(f"objects/{'a' * 64}.file")) == big
    assert list(archive.parts(f"runs/{RUN}", "runs")) == [b"{}\n"]
    assert writer.count_bytes([member(ROWS, b"ab")]) == len(b"".join(writer.stream([member(ROWS, b"ab")])))


def test_other_programs_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(make(member(ROWS, b"{}\n"), member(f"objects/{'a' * 64}.file", b"some")))
    subprocess.run(["tar", "xf", "a.tar"], cwd=tmp_path, check=True)
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_size_is_the_same_for_equal_members() -> None:
    with pytest.raises(Exception, match="has 3 bytes, not 5"):
        list(writer.stream([Member(ROWS, 5, lambda: [b"abc"])]))


FLIPPED = make(member(ROWS, b"{}\n")).replace(b"{}\n", b"[]\n")
LINK = {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}
HEAD = json.dumps(HEADER).encode()
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "cut off, or is no archive"),
    ("zip", lambda: b"PK\3\4" * 1000, "cut off, or is no archive"),
    ("cut", lambda: make(member(ROWS, b"x" * 5000))[:2000], "cut off"),
    ("without sums", lambda: entry(layout.HEADER, HEAD) + bytes(1024), "list of digests at its end is missing"),
    ("flipped", lambda: FLIPPED, "digest differs"),
    ("absolute", lambda: entry("/etc/passwd", b"x"), "No file of an archive is called '/etc/passwd'"),
    ("dots", lambda: entry(f"runs/{RUN}/../../x.0000.jsonl", b"x"), "No file of an archive is called"),
    ("link", lambda: entry(layout.HEADER, b"", **LINK), "is no plain file"),
    ("hard link", lambda: entry(ROWS, b"", type=tarfile.LNKTYPE, linkname="x"), "is no plain file"),
    ("device", lambda: entry(ROWS, b"", type=tarfile.CHRTYPE), "is no plain file"),
    ("long name", lambda: entry("././@LongLink", b"x" * 600, type=tarfile.GNUTYPE_LONGNAME), "is no plain file"),
    ("pax", lambda: entry(ROWS, b"x", type=tarfile.XHDTYPE), "is no plain file"),
    ("sparse", lambda: entry(ROWS, b"x", type=tarfile.GNUTYPE_SPARSE), "is no plain file"),
    ("huge header", lambda: entry(layout.HEADER, b"", size=2**62), "and may have"),
    ("huge object", lambda: entry(layout.HEADER, HEAD) + entry(f"objects/{'a' * 64}.file", b"", size=2**70), "cut off"),
    ("rows first", lambda: entry(ROWS, b"{}") + bytes(1024), "archive.json is not its first file"),
    ("twice", lambda: make(member(ROWS, b"1"), member(ROWS, b"1")), "twice"),
    ("newer", lambda: make(version=2), "a format that this keepbest does not know"),
    ("no json", lambda: entry(layout.HEADER, b"{") + bytes(1024), "cannot be read"),
    ("deep", lambda: entry(layout.HEADER, b"[" * 100_000) + bytes(1024), "cannot be read"),
    ("name", lambda: make(project="../x"), "project"),
    ("unknown field", lambda: make(more=1), "more"),
    ("not listed", lambda: unlisted(), "is not listed"),
    ("without end", lambda: make()[:-512], "Its end is missing"),
    ("behind the end", lambda: make() + b"x", "something stands behind it"),
    ("behind", lambda: make()[:-1024] + entry(ROWS, b"{}") + bytes(1024), "stands behind SHA256SUMS"),
]  # fmt: skip


def unlisted() -> bytes:
    head, sums = entry(layout.HEADER, HEAD), make()
    return head + entry(ROWS, b"{}") + sums[len(entry(layout.HEADER, HEAD)) :]


@pytest.mark.parametrize(("make_it", "words"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_hostile_archive_is_refused_in_words(make_it: Callable[[], bytes], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as told:
        check(make_it())
    assert told.value.field == "archive"
    assert len(told.value.message) < 400


def test_an_archive_is_known_by_its_beginning() -> None:
    assert reader.is_archive(io.BytesIO(make()))
    assert not reader.is_archive(io.BytesIO(b"archive"))
