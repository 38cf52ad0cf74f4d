"""Artifacts: files that a run keeps beside its checkpoints, each at a path such as `plots/roc.png`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from keepbest.contract.base import Answer, Count, Digest, Id, Moment, Page, Step
from keepbest.contract.names import UNSEEN, compose

MAX_PATH = 500
MAX_FOLDERS = 20
#: The most bytes of one part of a path, as file systems have it.
MAX_PART_BYTES = 255
MAX_MEDIA_TYPE = 100
#: What a path holds nowhere: a part that leads elsewhere, or none.
_LEADS_ELSEWHERE = frozenset({"", ".", ".."})

#: The SHA-256 of the file that a request sends, or of one that the tracker has already.
DIGEST_HEADER = "Keepbest-Digest"
KIND_HEADER = "Keepbest-Kind"
#: "yes" in a request without a body: the tracker takes the file that it has under the digest.
KNOWN_HEADER = "Keepbest-Known"

ArtifactKind = Literal["file", "text", "table", "image", "figure"]
#: Where a run's environment names the artifacts that it used.
USED = "used_artifacts"

_TABLES = frozenset({"text/csv", "text/tab-separated-values"})
_TEXTS = frozenset({"application/json", "application/yaml", "application/x-yaml", "application/xml"})
#: What a picture may be that runs no script where it is shown.
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif"})


def kind_of(media: str) -> ArtifactKind:
    """Return the kind of a file of a type.

    >>> kind_of("text/csv"), kind_of("image/png"), kind_of("image/svg+xml")
    ('table', 'image', 'file')
    """
    if media in _TABLES:
        return "table"
    if media in _PICTURES:
        return "image"
    return "text" if media.startswith("text/") or media in _TEXTS else "file"


def check_path(text: str) -> str:
    """Return the path of an artifact in its composed form; raises ValueError for one that is no place in a run.

    Example:
        >>> check_path("plots/roc.png")
        'plots/roc.png'
    """
    match = UNSEEN.search(text)
    if match is not None:
        raise ValueError(f"a path holds no control character and no override of direction, but this {match[0]!a}")
    path, parts = compose(text), compose(text).split("/")
    if len(path) > MAX_PATH or len(parts) > MAX_FOLDERS + 1:
        raise ValueError(f"a path has at most {MAX_PATH} characters and {MAX_FOLDERS} folders")
    if "\\" in path or not _LEADS_ELSEWHERE.isdisjoint(parts):
        raise ValueError('a path is names with "/" between them, such as plots/roc.png: no "..", no "/" at its ends')
    if any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        raise ValueError(f"a name in a path has at most {MAX_PART_BYTES} bytes")
    return path


ArtifactPath = Annotated[str, Field(min_length=1, max_length=MAX_PATH), AfterValidator(check_path)]


class Artifact(Answer):
    """One version of a file. The newest version of a path is the current one."""

    id: Id
    run: Id
    path: str
    version: int = Field(ge=1, description="counts the files that were kept at this path, from 1")
    kind: ArtifactKind
    media_type: str
    size_bytes: Count
    digest: Digest = Field(description="SHA-256 of the bytes")
    is_current: bool
    aliases: list[str] = Field(default_factory=list, description="its names in its project, such as champion")
    step: Step | None = Field(default=None, description="of a checkpoint that came as a file: its validation's step")
    value: float | None = Field(default=None, description="of a checkpoint that came as a file: its validation's value")
    user: str
    at: Moment


class ArtifactPage(Page):
    """Artifacts by path, and of one path the newest version first.

    The first page has `total` and `bytes` of the artifacts that the request names.
    """

    artifacts: list[Artifact]
    bytes: Count | None = None
