"""Code bundles: what is packed, and every archive that must not be unpacked."""

from __future__ import annotations

import copy
import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.client import bundle
from keepbest.errors import InvalidInput, TooLarge


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def archive(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for entry, content in entries:
            file.writestr(entry, content)
    return buffer.getvalue()


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # past ZipInfo's own cleaning
    info.external_attr = mode << 16
    return info


def packed_by(method: int) -> zipfile.ZipInfo:
    info = entry("a.py")
    info.compress_type = method
    return info


def with_comment(comment: bytes) -> bytes:
    """Return an archive whose last directory entry has a comment: it stands right before the end record."""
    info = entry("a.py")
    info.comment = comment
    return archive((info, b"1"))


def bare_directory(count: int) -> bytes:
    """Return no file at all and a directory of many entries: each would be an object of zipfile's."""
    one = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    return one * count + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count % 65536, count % 65536, len(one) * count, 0, 0)


def overlapping() -> bytes:
    """Return an archive whose directory lists one stored file a hundred times, under other names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(entry("a000.py"), b"x" * 10_000)
        file.filelist += [copy.copy(file.filelist[0]) for _ in range(100)]
        for number, info in enumerate(file.filelist):
            info.filename = f"a{number:03}.py"
    return buffer.getvalue()


def test_what_is_packed_comes_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {"model.py": "build = 1", "deep/er/data.csv": "1,2"})
    packed = bundle.pack(folder)
    paths = bundle.unpack(packed.content, tmp_path / "out")
    assert packed.files == ("deep/er/data.csv", "model.py")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in paths] == list(packed.files)
    assert (tmp_path / "out/deep/er/data.csv").read_text() == "1,2"


def test_the_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    one = write(tmp_path / "one", {"a.py": "1", "b.py": "2"})
    two = write(tmp_path / "two", {"b.py": "2", "a.py": "1"})
    os.utime(two / "a.py", (0, 0))
    (two / "a.py").chmod(0o600)
    assert bundle.pack(one).digest == bundle.pack(two).digest
    assert bundle.pack(write(one, {"a.py": "3"})).digest != bundle.pack(two).digest


IGNORED = {
    ".gitignore": "data/\n*.log\n!keep.log\n",
    "model.py": "",
    "data/big.bin": "",
    "run.log": "",
    "keep.log": "",
    "sub/.gitignore": "!run.log\n/local.py\n",
    "sub/run.log": "",
    "sub/local.py": "",
    "sub/deep/local.py": "",
    ".git/config": "",
    "__pycache__/model.cpython-311.pyc": "",
    ".venv/lib/x.py": "",
    ".env": "SECRET=1",
    "server.pem": "",
}


def test_the_rules_of_gitignore_hold(tmp_path: Path) -> None:
    packed = bundle.pack(write(tmp_path, IGNORED))
    assert set(packed.files) == {
        ".gitignore",
        "keep.log",
        "model.py",
        "sub/.gitignore",
        "sub/deep/local.py",
        "sub/run.log",
    }


def test_the_rules_of_the_repository_around_hold_too(tmp_path: Path) -> None:
    write(tmp_path, {".git/HEAD": "", ".gitignore": "*.csv\n", "mine/a.py": "", "mine/a.csv": ""})
    assert bundle.pack(tmp_path / "mine").files == ("a.py",)


def test_a_service_beside_the_code_keeps_its_tokens(tmp_path: Path) -> None:
    """`keepbest up --dir ./kb` and `keepbest submit my_model.py` once sent kb/admin-token along with the code."""
    write(tmp_path, {"my_model.py": "", "kb/admin-token": "secret", "kb/tracker.db": "", "other/worker-token": ""})
    assert bundle.pack(tmp_path).files == ("my_model.py",)
    with pytest.raises(InvalidInput, match="holds tokens"):
        bundle.pack(tmp_path / "kb")


def test_links_out_of_the_folder_are_left_out_and_named(tmp_path: Path) -> None:
    write(tmp_path, {"secret.txt": "secret", "code/a.py": "1"})
    (tmp_path / "code/out").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "code/folder").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "code/in.py").symlink_to("a.py")
    packed = bundle.pack(tmp_path / "code")
    assert (packed.files, packed.skipped) == (("a.py", "in.py"), ("out",))


def test_too_much_is_refused_before_it_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, {f"{index}.py": "x" * 100 for index in range(5)})
    for limit, value, words in (
        ("MAX_BUNDLE_FILES", 4, "more than 4 files"),
        ("MAX_UNPACKED_BYTES", 499, "of files"),
        ("MAX_BUNDLE_BYTES", 100, "packs to"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(bundle, limit, value)
            with pytest.raises(TooLarge, match=words) as caught:
                bundle.pack(folder)
        assert ".gitignore" in str(caught.value.hint)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no files"):
        bundle.pack(tmp_path)


ATTACKS: dict[str, Callable[[], bytes]] = {
    "parent": lambda: archive((entry("../evil.py"), b"")),
    "parent inside": lambda: archive((entry("a/../../evil.py"), b"")),
    "absolute": lambda: archive((entry("/tmp/evil.py"), b"")),
    "backslash": lambda: archive((entry("..\\evil.py"), b"")),
    "drive": lambda: archive((entry("c:evil.py"), b"")),
    "empty part": lambda: archive((entry("a//b.py"), b"")),
    "dot part": lambda: archive((entry("./a.py"), b"")),
    "newline": lambda: archive((entry("a\nb.py"), b"")),
    "escape": lambda: archive((entry("\x1b[2J.py"), b"")),
    "symbolic link": lambda: archive((entry("link", stat.S_IFLNK | 0o777), b"/etc/passwd")),
    "device": lambda: archive((entry("null", stat.S_IFCHR | 0o666), b"")),
    "folder": lambda: archive((entry("folder/", stat.S_IFDIR | 0o755), b"")),
    "twice": lambda: archive((entry("a.py"), b"1"), (entry("a.py"), b"2")),
    "twice in another case": lambda: archive((entry("a.py"), b"1"), (entry("A.py"), b"2")),
    "file and folder": lambda: archive((entry("a"), b"1"), (entry("a/b.py"), b"2")),
    "too deep": lambda: archive((entry("a/" * 32 + "b.py"), b"")),
    "name too long": lambda: archive((entry("a" * 256), b"")),
    "path too long": lambda: archive((entry("/".join(["a" * 200] * 6)), b"")),
    "nothing but entries": lambda: bare_directory(300_000),
    "zip64": lambda: with_comment(b"PK\6\7" + bytes(16)),
    "bzip2": lambda: archive((packed_by(zipfile.ZIP_BZIP2), b"x" * 100)),
    "lzma": lambda: archive((packed_by(zipfile.ZIP_LZMA), b"x" * 100)),
    "something before it": lambda: b"#!/bin/sh\n" + archive((entry("a.py"), b"1")),
    "something behind it": lambda: archive((entry("a.py"), b"1")) + b"more",
    "files that overlap": lambda: overlapping(),
    "not a zip": lambda: b"PK\x03\x04 but then nothing",
    "nothing": lambda: b"",
}


@pytest.mark.filterwarnings("ignore:Duplicate name")  # zipfile's own, while the attack is made
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_writes_nothing(attack: str, tmp_path: Path) -> None:
    target = tmp_path / "run" / "code"
    with pytest.raises(InvalidInput):
        bundle.unpack(ATTACKS[attack](), target)
    assert list(tmp_path.rglob("*.py")) == []
    assert not target.exists()


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(InvalidInput, match="unpacks to more than"):
        bundle.unpack(archive(("a.py", b"x" * 600), ("b.py", b"x" * 600)), tmp_path / "out")


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    honest = archive((entry("a.py"), b"x" * 5000))
    lying = honest.replace((5000).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    with pytest.raises(InvalidInput):
        bundle.unpack(lying, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_FILES", 2)
    with pytest.raises(InvalidInput, match="more than 2 entries"):
        bundle.unpack(archive(("a", b""), ("b", b""), ("c", b"")), tmp_path / "out")


def test_a_folder_that_is_there_is_never_written_into(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        bundle.unpack(archive(("a.py", b"")), tmp_path)


@given(damage=st.data())
def test_a_damaged_archive_is_refused_or_whole(damage: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = bytearray(archive((entry("a.py"), b"print(1)" * 20)))
    place = damage.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= damage.draw(st.integers(1, 255))
    target = tmp_path_factory.mktemp("damaged") / "out"
    try:
        paths = bundle.unpack(bytes(whole), target)
    except InvalidInput:
        assert not target.exists()
        return
    assert all(path.is_relative_to(target) and path.read_bytes() == b"print(1)" * 20 for path in paths)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/".join("abcdefghijklmnopqrstuvwxyz0123456") + "/m.py", "folders deep"),
        ("/".join(["a" * 200] * 6), "1000 bytes"),
    ],
)
def test_a_name_that_nobody_takes_is_not_packed(name: str, words: str, tmp_path: Path) -> None:
    write(tmp_path, {name: "1"})
    with pytest.raises(InvalidInput, match=words):
        bundle.pack(tmp_path)


def test_a_directory_is_counted_before_anything_is_built_from_it() -> None:
    content = bare_directory(300_000)
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="more than 2000 entries"):
        bundle.list_files(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
