"""Reads what git says of a folder of code: commit, branch, remote and the changes that are not committed.

git runs without its optional locks, hooks, pagers and questions, and for a few seconds at most: a run never fails, and
never waits, because of it. Without git, without a repository, or past the time there is nothing to say.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pathspec

from keepbest.contract.provenance import MAX_DIFF, MAX_LEFT_OUT, GitState
from keepbest.provenance.secrets import mask_text, mask_url
from keepbest.settings import child_environment

SECONDS = 10.0
#: Bytes of git's output that are read at all.
MAX_OUTPUT = 8 * 2**20
#: Changed files whose patch is read; of files that git does not know yet their number, and the bytes of each.
MAX_CHANGED_FILES = 500
MAX_NEW_FILES, MAX_NEW_BYTES = 200, 50_000
#: Files that hold secrets by custom, and are never in a patch.
_SECRET_FILES = pathspec.GitIgnoreSpec.from_lines((
    ".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    ".netrc", ".npmrc", ".pypirc", "*credentials*", "secrets.*",
))  # fmt: skip
_OPTIONS = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-c", "core.hooksPath=/dev/null")
#: File names are names, never patterns.
_VARIABLES = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_LITERAL_PATHSPECS": "1"}
_DIFF = (
    "diff",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--no-renames",
    "HEAD",
)


class _Failed(Exception):
    """git is not there, ended with an error, or took too long; the message says which."""


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
            raise _Failed("git is not there" if git is None else "git took too long")
        more = {} if index is None else {"GIT_INDEX_FILE": str(index)}
        gone = dict.fromkeys(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "KEEPBEST_TOKEN"))
        environ = child_environment(**{**_VARIABLES, **gone, **more})
        with tempfile.TemporaryFile() as output:
            try:
                command = [git, *_OPTIONS, *words]
                given: dict[str, Any] = {"cwd": self._folder, "env": environ, "timeout": left, "check": True}
                subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.DEVNULL, **given)
            except (OSError, subprocess.SubprocessError) as error:
                is_late = isinstance(error, subprocess.TimeoutExpired)
                raise _Failed("git took too long" if is_late else "git ended with an error") from error
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
        new = self._list_names("ls-files", "--others", "--exclude-standard")
        small = [name for name in new[:MAX_NEW_FILES] if self._may_send(name)]
        with tempfile.TemporaryDirectory() as folder:
            index = Path(folder) / "index"
            own = self.top / self.ask("rev-parse", "--git-path", "index").strip()
            if own.is_file():
                shutil.copy2(own, index)  # with its time, by which git finds files that changed at the same moment
            if small:
                self.ask("add", "--intent-to-add", "--", *small, index=index)
            changed = self._list_names(*_DIFF, "--name-only", index=index)
            sections = self._read_sections(changed, index)
        left_out = [name for name in changed if name not in sections] + [name for name in new if name not in small]
        return Changes(
            "".join(masked for _, masked in sections.values()),
            tuple(name[:500] for name in left_out[:MAX_LEFT_OUT]),
            is_masked=any(section != masked for section, masked in sections.values()),
        )

    def _list_names(self, *words: str, index: Path | None = None) -> list[str]:
        return [name for name in self.ask(*words, "-z", index=index).split("\0") if name]

    def _read_sections(self, names: Sequence[str], index: Path) -> dict[str, tuple[str, str]]:
        """Return the patches of the files that fit and may be kept, as they are and with secrets masked."""
        kept, room = dict[str, tuple[str, str]](), MAX_DIFF
        for name in names[:MAX_CHANGED_FILES]:
            section = None if _is_secret(name) else self._read_section(name, index)
            if section is None or len(section) > room or _is_binary(section):
                continue
            masked = mask_text(section)
            if len(masked) <= room:  # a mask is longer than a very short secret
                kept[name] = (section, masked)
                room -= len(masked)
        return kept

    def _read_section(self, name: str, index: Path) -> str | None:
        """Return the patch of one file; None past the time."""
        try:
            return self.ask(*_DIFF, "--", name, index=index)
        except _Failed:
            return None

    def _may_send(self, name: str) -> bool:
        path = self.top / name
        is_plain = path.is_file() and not path.is_symlink()
        return is_plain and path.stat().st_size <= MAX_NEW_BYTES and not _is_secret(name)


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
    except (_Failed, OSError, ValueError) as error:
        changes = Changes(left_out=(f"the changes: {error}",))
    return state, repository.top, changes


def _is_secret(name: str) -> bool:
    return _SECRET_FILES.match_file(name.lower())


def _is_binary(text: str) -> bool:
    return any(part in text for part in ("\nBinary files ", "\nGIT binary patch", "\0", "\N{REPLACEMENT CHARACTER}"))
