"""What git says of a folder of code, with real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from keepbest.contract.provenance import MAX_DIFF
from keepbest.provenance.git import MAX_NEW_BYTES, read_git


def git(folder: Path, *words: str) -> str:
    given = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *given, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "train.py").write_text("rate = 0.1\nsteps = 10\n")
    (folder / "picture.bin").write_bytes(bytes(range(256)))
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "begin")
    return folder


def test_a_clean_folder_has_commit_branch_and_remote(code: Path) -> None:
    git(code, "remote", "add", "origin", "https://ada:geheim@example.org/code.git")
    found = read_git(code)
    assert found is not None
    state, top, changes = found
    assert (state.commit, state.branch, state.is_dirty) == (git(code, "rev-parse", "HEAD").strip(), "main", False)
    assert state.remote == "https://example.org/code.git"
    assert (top, changes.diff, changes.left_out) == (code, "", ())


def test_the_patch_brings_every_change_back(code: Path, tmp_path: Path) -> None:
    (code / "train.py").write_text("rate = 0.2\nsteps = 10\x0c\n")
    (code / "sub").mkdir()
    (code / "sub" / "néw file.py").write_text("x = 1\n")
    before = (code / ".git" / "index").read_bytes()
    found = read_git(code / "sub")
    assert found is not None
    assert found[0].is_dirty
    assert (code / ".git" / "index").read_bytes() == before, "the user's index was touched"
    git(tmp_path, "clone", str(code), "copy")
    (tmp_path / "p.patch").write_text(found[2].diff)
    git(tmp_path / "copy", "apply", "../p.patch")
    assert (tmp_path / "copy" / "train.py").read_text() == "rate = 0.2\nsteps = 10\x0c\n"
    assert (tmp_path / "copy" / "sub" / "néw file.py").read_text() == "x = 1\n"


def test_what_a_patch_does_not_hold_is_named(code: Path) -> None:
    (code / "picture.bin").write_bytes(bytes(reversed(range(256))))
    (code / "big.txt").write_text("x" * (MAX_NEW_BYTES + 1))
    (code / "train.py").write_text("x = 1\n" * MAX_DIFF)
    (code / ".env").write_text("TOKEN=geheimnis\n")
    (code / "small.py").write_text('password = "geheimnis"\n')
    found = read_git(code)
    assert found is not None
    assert set(found[2].left_out) == {"picture.bin", "big.txt", "train.py", ".env"}
    assert "geheimnis" not in found[2].diff
    assert "+++ b/small.py" in found[2].diff
    assert found[2].is_masked


def test_a_masked_patch_can_be_applied(code: Path, tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----"
    (code / "keys.py").write_text(f'KEY = """{key}"""\nPassword:\nhttps://ada:geheim@example.org/1\n')
    found = read_git(code)
    assert found is not None
    (tmp_path / "p.patch").write_text(found[2].diff)
    git(code, "stash", "--include-untracked")
    git(code, "apply", "../p.patch")
    assert "MIIabc" not in (code / "keys.py").read_text()
    assert len((code / "keys.py").read_text().splitlines()) == 5


def test_odd_names_are_names_and_no_patterns(code: Path) -> None:
    for name in ("*", ":(top)x", "a\tb", "id_mapping.py"):
        (code / name).write_text("x = 1\n")
    (code / "big.txt").write_text("x" * (MAX_NEW_BYTES + 1))
    (code / "server.PEM").write_text("x\n")
    found = read_git(code)
    assert found is not None
    assert set(found[2].left_out) == {"big.txt", "server.PEM"}
    assert found[2].diff.count("diff --git") == 4
    assert not found[2].is_masked


def test_of_many_changes_each_is_kept_or_named(code: Path) -> None:
    names = [f"{number:02}.txt" for number in range(30)]
    for name in names:
        (code / name).write_text("0123456789\n" * 1000)
    found = read_git(code)
    assert found is not None
    kept = [name for name in names if f"+++ b/{name}" in found[2].diff]
    assert 0 < len(kept) < 30
    assert sorted([*kept, *found[2].left_out]) == names


def test_nothing_is_said_without_a_commit_or_in_time(code: Path, tmp_path: Path) -> None:
    assert read_git(tmp_path) is None
    assert read_git(tmp_path / "none") is None
    assert read_git(code, seconds=0) is None
    git(tmp_path, "init", "empty")
    assert read_git(tmp_path / "empty") is None


def test_a_variable_of_git_does_not_lead_elsewhere(code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert read_git(code) is not None
