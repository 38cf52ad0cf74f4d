"""Sends the files of foreign runs as artifacts: each once, under its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from keepbest.client.client import Client
from keepbest.contract.artifacts import check_path
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.foreign.cleaning import Remarks
from keepbest.foreign.foreign_run import ForeignFile

#: A larger file is asked for by its digest before its bytes are sent.
_SMALL = 2**16
_PAGE = 1000


@dataclass
class ArtifactSender:
    """Sends the files of one run; `is_new`: the run has none yet. A file that the tracker refuses is left out."""

    client: Client
    run: str
    remarks: Remarks
    is_new: bool
    files: int = 0
    sent: int = 0
    bytes: int = 0
    _there: dict[str, str] | None = field(default=None)

    def send(self, file: ForeignFile) -> None:
        """Send a file, unless the run has the same bytes at its path."""
        self.files += 1
        try:
            path = check_path(file.path)
            digest, size = _digest(file)
            if self._list_there().get(path) != digest:
                self._put(file, path, digest, size)
                self.sent += 1
            self.bytes += size
        except (InvalidInput, Conflict, NotFound) as error:
            self.remarks.add(f"the file {file.path[:80]!a}: {error.message}")
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.remarks.add(f"the file {file.path[:80]!a}: {reason}")

    def _put(self, file: ForeignFile, path: str, digest: str, size: int) -> None:
        if size > _SMALL:
            try:
                self.client.files.put(self.run, path, None, size=size, digest=digest)
                return
            except NotFound as error:
                if error.field != "digest":
                    raise
        with file.open() as source:
            self.client.files.put(self.run, path, source, size=size, digest=digest)

    def _list_there(self) -> dict[str, str]:
        """Return the digests of the files that the run has, by path."""
        if self._there is None:
            self._there = {} if self.is_new else dict(self._read_there())
        return self._there

    def _read_there(self) -> list[tuple[str, str]]:
        page = self.client.files.list(self.run, limit=_PAGE)
        there = [(artifact.path, artifact.digest) for artifact in page.artifacts]
        while page.cursor is not None:
            page = self.client.files.list(self.run, cursor=page.cursor, limit=_PAGE)
            there += [(artifact.path, artifact.digest) for artifact in page.artifacts]
        return there


def _digest(file: ForeignFile) -> tuple[str, int]:
    with file.open() as source:
        counted, size = hashlib.sha256(), 0
        while piece := source.read(2**20):
            counted.update(piece)
            size += len(piece)
    return counted.hexdigest(), size
