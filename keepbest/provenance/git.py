"""Reads what git says of a folder of code: commit, branch, remote and the changes that are not committed.

git runs without its optional locks, hooks, pagers and questions, and for a few seconds at most: a run never fails, and
never waits, because of it. Without git, without a repository, or past the time there is nothing to say.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pathspec

from keepbest.contract.provenance import MAX_DIFF, MAX_LEFT_OUT, GitState
from keepbest.provenance.secrets import MASK, mask_text, mask_url
from keepbest.settings import child_environment

SECONDS = 10.0
#: Bytes of git's output that are read at all.
MAX_OUTPUT = 8 * 2**20
#: Of files that git does not know yet: their number, and the bytes of each.
MAX_NEW_FILES, MAX_NEW_BYTES = 200, 50_000
#: Files that hold secrets by custom, and are never in a patch.
_SECRET_FILES = pathspec.GitIgnoreSpec.from_lines(
    (".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "id_*", ".netrc", ".npmrc", ".pypirc", "*credentials*")
)
_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "core.hooksPath=/dev/null")
_DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "HEAD")


class _Failed(Exception):
    """git is not there, ended with an error, or took too long."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The uncommitted changes as a patch; `left_out` are the changed files that it does not hold."""

    diff: str = ""
    left_out: tuple[str, ...] = ()
    is_masked: bool = False


class Repository:
    """The git repository that a folder lies in; every call may raise `_Failed`."""

    def __init__(self, folder: Path, deadline: float) -> None:
        self._folder = folder
        self._deadline = deadline
        self.top = Path(self.ask("rev-parse", "--show-toplevel").strip())
        self._folder = self.top

    def ask(self, *words: str, index: Path | None = None) -> str:
        """Return what git answers, at most MAX_OUTPUT bytes of it."""
        git = shutil.which("git")
        left = self._deadline - time.monotonic()
        if git is None or left <= 0:
            raise _Failed
        more = {} if index is None else {"GIT_INDEX_FILE": str(index)}
        gone = dict.fromkeys(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "KEEPBEST_TOKEN"))
        environ = child_environment(**{"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **gone, **more})
        with tempfile.TemporaryFile() as output:
            try:
                command = [git, *_OPTIONS, *words]
                given: dict[str, Any] = {"cwd": self._folder, "env": environ, "timeout": left, "check": True}
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, **given)
            except (OSError, subprocess.SubprocessError) as error:
                raise _Failed from error
            output.seek(0)
            return output.read(MAX_OUTPUT).decode(errors="replace")

    def describe(self) -> GitState:
        """Return commit, branch, remote, and whether there are changes."""
        commit = self.ask("rev-parse", "HEAD").strip()
        branch = self.ask("rev-parse", "--abbrev-ref", "HEAD").strip()
        status = self.ask("status", "--porcelain", "--untracked-files=normal")
        return GitState(
            commit=commit,
            branch=None if branch == "HEAD" else branch[:500],
            remote=self._find_remote(),
            is_dirty=bool(status.strip()),
        )

    def _find_remote(self) -> str | None:
        """Return the address of `origin`, else of the first remote."""
        names = self.ask("remote").split()
        if not names:
            return None
        name = "origin" if "origin" in names else names[0]
        return mask_url(self.ask("remote", "get-url", name).strip())[:500]

    def read_changes(self) -> Changes:
        """Return the changes since the commit, new files included, within the limits."""
        new = [name for name in self.ask("ls-files", "--others", "--exclude-standard", "-z").split("\0") if name]
        small = [name for name in new[:MAX_NEW_FILES] if self._may_send(name)]
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "index"
            own = self.top / self.ask("rev-parse", "--git-path", "index").strip()
            if own.is_file():
                shutil.copy2(own, index)  # with its time, by which git finds files that changed at the same moment
            if small:
                self.ask("add", "--intent-to-add", "--", *small, index=index)
            patch = self.ask(*_DIFF, index=index)
        masked = [(name, mask_text(text)) for name, text in split_patch(patch)]
        sections, left_out = choose_sections(masked)
        left_out += [name for name in new if name not in small]
        diff = "".join(sections)
        return Changes(
            diff, tuple(name[:500] for name in left_out[:MAX_LEFT_OUT]), is_masked=diff not in patch and MASK in diff
        )

    def _may_send(self, name: str) -> bool:
        path = self.top / name
        is_plain = path.is_file() and not path.is_symlink() and not name.startswith(":")
        return is_plain and path.stat().st_size <= MAX_NEW_BYTES and not _SECRET_FILES.match_file(name)


def read_git(
    folder: Path, *, with_diff: bool = True, seconds: float = SECONDS
) -> tuple[GitState, Path, Changes] | None:
    """Return the state of the repository of `folder`, its top folder and the changes; None where there is nothing."""
    try:
        repository = Repository(folder, time.monotonic() + seconds)
        state = repository.describe()
    except (_Failed, OSError, ValueError):
        return None
    try:
        changes = repository.read_changes() if with_diff and state.is_dirty else Changes()
    except (_Failed, OSError, ValueError):
        changes = Changes(left_out=("the changes: git took too long to tell them",))
    return state, repository.top, changes


def split_patch(patch: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file's part of a patch."""
    for section in re.split(r"(?m)^(?=diff --git )", patch):
        if section:
            yield _name_section(section.split("\n", 8)[:8]), section


def choose_sections(sections: Iterable[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return the parts of a patch that fit and may be kept, and the names of the files of all others."""
    kept, left_out, room = list[str](), list[str](), MAX_DIFF
    for name, text in sections:
        if len(text) > room or _is_binary(text) or _SECRET_FILES.match_file(name):
            left_out.append(name)
        else:
            kept.append(text)
            room -= len(text)
    return kept, left_out


def _is_binary(text: str) -> bool:
    return any(part in text for part in ("\nBinary files ", "\nGIT binary patch", "\0", "\N{REPLACEMENT CHARACTER}"))


def _name_section(lines: Sequence[str]) -> str:
    for start in ("+++ b/", "--- a/"):
        for line in lines[:8]:
            if line.startswith(start):
                return line.removeprefix(start).rstrip("\n\t")
    return lines[0].rpartition(" b/")[2].rstrip("\n")
