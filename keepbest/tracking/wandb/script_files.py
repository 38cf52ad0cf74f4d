"""Files that a script names by a pattern or writes into the run's folder: kept now, and again when the run ends."""

from __future__ import annotations

import glob
import os
import tempfile
from pathlib import Path
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.tracking.artifacts import ArtifactLogger
from keepbest.tracking.wandb.warnings import warn_once

MAX_FILES = 1000
POLICIES = ("live", "now", "end")


class ScriptFiles:
    """Keeps files for `save` and from `dir`. A file that has changed by the run's end is kept once more."""

    def __init__(self, files: ArtifactLogger) -> None:
        self._files = files
        self._folder: Path | None = None
        #: Files to look at again at the end, each with its path in the run.
        self._later: dict[Path, str] = {}
        self._kept: dict[Path, tuple[int, int]] = {}

    @property
    def folder(self) -> Path:
        """A folder for the script's files; what lies in it is kept when the run ends."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="keepbest-files-"))
        return self._folder

    def save(self, pattern: Any = None, base_path: Any = None, policy: str = "live", **_: Any) -> list[str]:
        """Keep the files that a pattern such as `logs/*.txt` names; return their paths.

        `policy`: "now" keeps them now, "end" when the run ends, "live" at both moments.
        """
        if pattern is None:
            return []
        text = os.fspath(pattern)
        text = text.decode(errors="replace") if isinstance(text, bytes) else text
        names = sorted(name for name in glob.glob(text, recursive=True) if Path(name).is_file())
        if not names:
            warn_once(f"save({text!r:.200}) found no file.")
        for name in names[:MAX_FILES]:
            path = Path(name).absolute()
            place = os.path.relpath(path, os.fspath(base_path)) if base_path is not None else path.name
            if policy != "end":
                self._keep(path, place)
            if policy != "now":
                self._later[path] = place
        if len(names) > MAX_FILES:
            warn_once(f"save({text!r:.200}) keeps its first {MAX_FILES:,} files.")
        return names[:MAX_FILES]

    def keep_later(self) -> None:
        """Keep what the run's end is to keep."""
        if self._folder is not None:
            written = (path for path in sorted(self._folder.rglob("*")) if path.is_file())
            self._later |= {path: path.relative_to(self._folder).as_posix() for path in written}
        for path, place in self._later.items():
            self._keep(path, place)

    def _keep(self, path: Path, place: str) -> None:
        try:
            about = path.stat()
            if self._kept.get(path) == (about.st_mtime_ns, about.st_size):
                return
            self._files.log_artifact(path, place)
            self._kept[path] = (about.st_mtime_ns, about.st_size)
        except (OSError, InvalidInput) as error:
            warn_once(f"file {path.name!a} is not kept: {error}.")
