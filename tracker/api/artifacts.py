"""Artifacts: files of runs, sent and fetched at their paths.

Anybody who may write can send a page of HTML, a picture with a script in it, or a script. No browser runs them here:
every file is an attachment in a sandbox, and only types that hold no code keep their names.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from flask import Blueprint, Response, request, send_file
from pydantic import Field

from keepbest.checkpoint.files.artifacts import CONTENT
from keepbest.checkpoint.files.folder import Folder
from keepbest.contract.artifacts import (
    DIGEST_HEADER,
    KIND_HEADER,
    KNOWN_HEADER,
    MAX_MEDIA_TYPE,
    MAX_PATH,
    Artifact,
    ArtifactKind,
    ArtifactPage,
    kind_of,
)
from keepbest.contract.base import DIGEST_PATTERN, Shape
from keepbest.errors import InvalidInput, NotFound
from keepbest.hints import nearest
from tracker.api.access import lease_token, principal
from tracker.api.envelope import now, route_schema, service, transaction
from tracker.db import Connection
from tracker.services.artifacts import ArtifactIntake, Upload
from tracker.store import artifacts, runs

blueprint = Blueprint("artifacts", __name__)

BINARY = "application/octet-stream"
_PIECE = 2**18
_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+", re.ASCII)
#: Types by the ending of a path; those of the machine's own files would differ from one machine to the next.
_TYPES = mimetypes.MimeTypes(filenames=())
#: The types that a browser shows without running anything; a file of any other type is sent as plain bytes.
INERT = frozenset({
    "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "text/plain", "text/csv", "application/json",
    "application/zip", "audio/mpeg", "audio/wav", "video/mp4", "video/webm",
})  # fmt: skip
_KINDS: tuple[ArtifactKind, ...] = get_args(ArtifactKind)


class ArtifactsQuery(Shape):
    """Which artifacts: those whose path begins with `prefix`, and with `versions` the older versions too."""

    prefix: str = Field(default="", max_length=MAX_PATH)
    versions: bool = False
    cursor: str | None = Field(default=None, max_length=4000)
    limit: int = Field(default=200, ge=1, le=1000)


class VersionQuery(Shape):
    version: int | None = Field(default=None, ge=1, le=2**31 - 1)


@blueprint.get("/runs/<run>/artifacts")
@route_schema(ArtifactPage, query=ArtifactsQuery)
def list_artifacts(conn: Connection, run: str, query: ArtifactsQuery) -> ArtifactPage:
    """List a run's artifacts by path."""
    return artifacts.list_artifacts(
        conn,
        runs.get_run(conn, run),
        prefix=query.prefix,
        versions=query.versions,
        cursor=query.cursor,
        limit=query.limit,
    )


@blueprint.get("/runs/<run>/artifacts/<path:path>")
@route_schema(None, query=VersionQuery, transact=False, media=BINARY)
def download_artifact(run: str, path: str, query: VersionQuery) -> Response:
    """Fetch an artifact's bytes, or a range of them; `version` fetches an older one."""
    with transaction() as conn:
        row = runs.get_run(conn, run)
        artifact = artifacts.get_artifact(conn, row, artifacts.read_path(path), query.version)
    return send_artifact(artifact)


@blueprint.put("/runs/<run>/artifacts/<path:path>")
@route_schema(Artifact, body_media=(BINARY,), transact=False, is_upload=True)
def upload_artifact(run: str, path: str) -> Artifact:
    """Keep a file at a path of a run. The same bytes again are the same version, other bytes the next one."""
    place = artifacts.read_path(path)
    media = read_media_type(place)
    upload = Upload(
        run=run,
        path=place,
        kind=_read_kind(media),
        media_type=media,
        pieces=read_pieces(),
        length=_read_length(),
        digest=_read_digest(),
        is_known=request.headers.get(KNOWN_HEADER) == "yes",
        lease=lease_token(),
    )
    return ArtifactIntake(service().settings, service().engine).take(upload, principal(), now())


@blueprint.delete("/runs/<run>/artifacts/<path:path>")
@route_schema(None, status=204)
def delete_artifact(conn: Connection, run: str, path: str) -> None:
    """Delete an artifact with its older versions; the bytes go with the garbage."""
    row = runs.get_run(conn, run, lock=True)
    artifacts.delete_artifact(conn, row, artifacts.read_path(path), user=principal().user, now=now())


def send_artifact(artifact: Artifact) -> Response:
    """Answer with an artifact's bytes: an attachment in a sandbox."""
    file = Folder(Path(service().settings.store)).content(artifact.digest, CONTENT)
    try:
        response = send_file(
            file,
            mimetype=artifact.media_type if artifact.media_type in INERT else BINARY,
            as_attachment=True,
            download_name=artifact.path.rpartition("/")[2],
            etag=artifact.digest,
            last_modified=artifact.at,
        )
    except FileNotFoundError:
        hint = "`keepbest fsck` says what else is gone."
        raise NotFound(f"The bytes of {artifact.path!r} are not in the tracker's store.", hint=hint) from None
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def read_pieces() -> Iterator[bytes]:
    """Yield the body of this request, piece by piece."""
    while piece := request.stream.read(_PIECE):
        yield piece


def _read_length() -> int | None:
    """Return the length of the body, or None where only its end will tell; without any word of it there is none."""
    if request.content_length is None and "Transfer-Encoding" not in request.headers:
        return 0
    return request.content_length


def _read_digest() -> str | None:
    digest = request.headers.get(DIGEST_HEADER)
    if digest is not None and not re.fullmatch(DIGEST_PATTERN, digest):
        raise InvalidInput(f"{DIGEST_HEADER} is a SHA-256 as 64 small hexadecimal digits.", field="digest")
    return digest


def read_media_type(path: str) -> str:
    """Return the type that the request names, or else the one that the path's ending tells."""
    media = request.mimetype
    if media in ("", BINARY, "application/x-www-form-urlencoded"):
        media = _TYPES.guess_type(path)[0] or BINARY
    return media if _MEDIA_TYPE.fullmatch(media) and len(media) <= MAX_MEDIA_TYPE else BINARY


def _read_kind(media: str) -> ArtifactKind:
    name = request.headers.get(KIND_HEADER)
    for kind in _KINDS:
        if kind == name:
            return kind
    if name is not None:
        raise InvalidInput(f"There is no kind {name[:40]!r} of artifacts.", field="kind", hint=nearest(name, _KINDS))
    return kind_of(media)
