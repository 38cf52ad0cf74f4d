"""Files that a script keeps with its run: any file, text, tables, figures; and reading them back.

A call copies the file into the outbox beside the run's journal, and a thread sends it. Training never waits for the
network, and fails neither by the network nor by a full disk or a missing file: then there is one warning.
"""

from __future__ import annotations

import logging
import mimetypes
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from keepbest.client.artifacts import Fetched, fetch_artifact, keep_copy
from keepbest.contract.artifacts import USED, ArtifactKind, check_path, kind_of
from keepbest.errors import InvalidInput
from keepbest.journal.file_delivery import FileSender
from keepbest.journal.outbox import Outbox
from keepbest.journal.set_aside import home_of
from keepbest.journal.uploader import UploadClient
from keepbest.tracking.recorder import Recorder, now
from keepbest.tracking.tables import MAX_ROWS, to_csv, to_json, to_table
from keepbest.tracking.wandb.artifact import Artifact

BINARY = "application/octet-stream"
#: The most files that one call takes from a folder.
MAX_FILES = 10_000
#: The most uses of artifacts that a run records.
MAX_USES = 100
_TYPES = mimetypes.MimeTypes(filenames=())
_log = logging.getLogger("keepbest")


class ArtifactLogger:
    """Keeps files with a run. Safe from any thread."""

    def __init__(self, run: str, recorder: Recorder) -> None:
        self._run = run
        self._recorder = recorder
        self._cache = Path()
        self._outbox: Outbox | None = None
        self._sender: FileSender | None = None
        self._client: UploadClient | None = None
        self._has_ended = False
        self._warned = set[str]()
        self._uses: dict[str, dict[str, Any]] = {}
        uploader = recorder.uploader
        if uploader is not None:
            self._client = uploader.client
            self._outbox = Outbox(uploader.journal.folder)
            self._cache = home_of(self._outbox.folder) / "cache"
            self._sender = FileSender(uploader.journal.folder, lambda: uploader.journal.about, self._client)

    def log_artifact(
        self, source: str | os.PathLike[str] | bytes | Artifact, name: str | None = None, **about: Any
    ) -> Artifact | None:
        """Keep a file, all files of a folder, or bytes at the path `name` of the run, such as `plots/roc.png`.

        Without a name, a file or folder keeps its own. The file is copied before the call returns, so the script may
        change it at once. The same path again is a new version. A file that cannot be read is left out with a warning.
        The files of a `keepbest.Artifact` lie below its name; that artifact is returned.
        `about` is what W&B says of an artifact (type, aliases, tags); a run does not keep it.

        Raises InvalidInput for a name that is no path.
        """
        if isinstance(source, Artifact):
            source.keep_with(self.log_artifact)
            return source
        if isinstance(source, bytes | bytearray | memoryview):
            self._keep(_check(name or ""), bytes(source))
            return None
        path = Path(source)
        place = _check(name or path.absolute().name)
        if path.is_dir():
            self._keep_folder(path, place)
        else:
            self._keep(place, path)
        return None

    def log_text(self, text: str, name: str) -> None:
        """Keep a text at a path of the run, such as `notes.txt`; the run's page shows it."""
        self._keep(_check(name), text.encode(errors="replace"), "text", _type_of(name, "text/plain"))

    def log_table(self, rows: Any, name: str) -> None:
        """Keep a table: a list of dicts, a dict of columns, an array, or a DataFrame; the run's page shows it.

        `name` ends with `.csv`, or `.json`, which is added otherwise. A table keeps its first 100,000 rows.

        Raises InvalidInput for what is no table.
        """
        table = to_table(rows)
        if table.rows_left_out:
            self._warn(f"table {name!r} keeps its first {MAX_ROWS:,} rows: {table.rows_left_out:,} more are left out")
        if name.endswith(".csv"):
            self._keep(_check(name), to_csv(table), "table", "text/csv")
        else:
            self._keep(_check(_end(name, ".json")), to_json(table), "table", "application/json")

    def log_figure(self, figure: Any, name: str) -> None:
        """Keep a figure of matplotlib, or anything with `savefig`, as a picture; `.png` is added to `name`.

        Raises InvalidInput for what is no figure.
        """
        save = getattr(figure, "savefig", None)
        if save is None:
            what = f"{type(figure).__name__} has no method savefig"
            raise InvalidInput(f"This is no figure: {what}.", field="figure", hint="matplotlib.pyplot.gcf() is one.")
        picture = BytesIO()
        save(picture, format="png")
        self._keep(_check(_end(name, ".png")), picture.getvalue(), "figure", "image/png")

    def use_artifact(self, name: str, run: str | None = None, version: int | None = None) -> Path:
        """Return a file of this run, or of another `run`, as a local path; its bytes are checked.

        The run records which file it used. Do not change the file: the next call returns the same one.

        Raises NotFound where the run has no such file, InvalidInput without a tracker.
        """
        fetched = self._find_waiting(name, version) if run in (None, self._run) else None
        if fetched is None:
            fetched = fetch_artifact(self._need_client().files, run or self._run, _check(name), self._cache, version)
        use = {"run": fetched.run, "path": fetched.path, "version": fetched.version, "digest": fetched.digest}
        self._uses.setdefault(f"{fetched.run}/{fetched.path}@{fetched.digest}", use)
        self._recorder.describe({USED: list(self._uses.values())[:MAX_USES]})
        return fetched.file

    def end(self, seconds: float, *, is_patient: bool) -> bool:
        """Wait for the files on their way, and keep no more; return whether the tracker has them all."""
        self._has_ended = True
        if self._sender is None:
            return True
        is_complete = self._sender.drain(seconds, is_patient=is_patient)
        self._sender.close()
        return is_complete

    def _keep_folder(self, folder: Path, place: str) -> None:
        count = 0
        for path in _files_of(folder):
            count += 1
            if count > MAX_FILES:
                self._warn(f"folder {folder} holds more than {MAX_FILES:,} files; the others are left out")
                return
            try:
                target = check_path(f"{place}/{path.relative_to(folder).as_posix()}")
            except ValueError as error:
                self._warn(f"file {path.name!a} of folder {folder} is left out: {error}")
                continue
            self._keep(target, path)
        if count == 0:
            self._warn(f"folder {folder} holds no file")

    def _keep(self, place: str, source: Path | bytes, kind: ArtifactKind | None = None, media: str = "") -> None:
        if self._has_ended:
            self._warn(f"run {self._run} has ended; files that come later are not kept")
            return
        if self._outbox is None or self._sender is None:
            return
        media = media or _type_of(place, BINARY)
        try:
            self._outbox.add(place, source, kind or kind_of(media), media, now())
        except OSError as error:
            self._warn(f"file {place!r} is not kept with the run: {error.strerror or error}")
            return
        self._sender.wake()

    def _find_waiting(self, name: str, version: int | None) -> Fetched | None:
        """Return a file that this process has logged and not sent yet."""
        data = self._outbox.newest(_check(name)) if self._outbox is not None and version is None else None
        return keep_copy(data, self._run, name, self._cache) if data is not None else None

    def _need_client(self) -> UploadClient:
        if self._client is None:
            raise InvalidInput(
                f"Run {self._run} has no tracker to fetch a file from.",
                hint="Set KEEPBEST_MODE=online, or KEEPBEST_URL.",
            )
        return self._client

    def _warn(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < MAX_USES:
            self._warned.add(text)
            _log.warning("keepbest: %s.", text)


def _check(name: str) -> str:
    try:
        return check_path(name)
    except ValueError as error:
        raise InvalidInput(f"{name!r} is no path of a run: {error}.", field="name") from None


def _type_of(name: str, usual: str) -> str:
    return _TYPES.guess_type(name)[0] or usual


def _end(name: str, ending: str) -> str:
    return name if name.lower().endswith(ending) else f"{name}{ending}"


def _files_of(folder: Path) -> Iterator[Path]:
    for home, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(home, name)).is_file())
