"""The routes of a run's artifacts: list, send, fetch, delete."""

from __future__ import annotations

from typing import BinaryIO

from keepbest.client.requests import read_answer
from keepbest.client.transport import Transport, path_of
from keepbest.contract.artifacts import (
    DIGEST_HEADER,
    KIND_HEADER,
    KNOWN_HEADER,
    Artifact,
    ArtifactKind,
    ArtifactPage,
)
from keepbest.errors import NotFound

BINARY = "application/octet-stream"
#: How long the tracker may take to write a piece of a file, and to answer after the last.
FILE_SECONDS = 60.0


class FileRoutes:
    """The artifacts of one tracker. Methods raise the tracker's own errors, as those of `Client` do."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self, run: str, *, prefix: str = "", versions: bool = False, cursor: str | None = None, limit: int | None = None
    ) -> ArtifactPage:
        """Return a page of the artifacts whose path begins with `prefix`; with `versions`, the older ones too."""
        query = {"prefix": prefix or None, "versions": versions or None, "cursor": cursor, "limit": limit}
        return read_answer(ArtifactPage, self._transport.request("GET", _path(run), query=query).data)

    def find(self, run: str, path: str, version: int | None = None) -> Artifact:
        """Return the current artifact at a path, or an older version; raises NotFound."""
        for artifact in self.list(run, prefix=path, versions=version is not None, limit=200).artifacts:
            if artifact.path == path and version in (None, artifact.version):
                return artifact
        which = "" if version is None else f" in version {version}"
        hint = f"`keepbest artifacts ls {run}` lists them."
        raise NotFound(f"Run {run} has no artifact {path!r}{which}.", field="path", hint=hint)

    def put(
        self,
        run: str,
        path: str,
        file: BinaryIO | None,
        *,
        size: int,
        digest: str,
        kind: ArtifactKind | None = None,
        media_type: str = BINARY,
        lease: str = "",
    ) -> Artifact:
        """Send a file from its present place on; without a `file`, name one that the tracker has already.

        Raises NotFound with the field `digest` where the tracker does not have it.
        """
        facts = {DIGEST_HEADER: digest, KIND_HEADER: kind, "Keepbest-Lease": lease}
        facts |= {KNOWN_HEADER: "yes"} if file is None else {"Content-Length": str(size)}
        reply = self._transport.request(
            "PUT",
            _path(run, path),
            body=b"" if file is None else file,
            content_type=media_type,
            headers={name: value for name, value in facts.items() if value},
            repeatable=True,
            seconds=FILE_SECONDS,
        )
        return read_answer(Artifact, reply.data)

    def download(self, run: str, path: str, sink: BinaryIO, *, version: int | None = None) -> int:
        """Write an artifact to `sink` piece by piece; return its size. The caller checks the digest."""
        pieces = self._transport.stream(_path(run, path), query={"version": version})
        return sum(sink.write(piece) for piece in pieces)

    def delete(self, run: str, path: str) -> None:
        """Delete an artifact with its older versions."""
        self._transport.request("DELETE", _path(run, path))


def _path(run: str, *path: str) -> str:
    return path_of("runs", run, "artifacts", *path)
