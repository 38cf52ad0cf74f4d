"""The layout of an archive: the names of its members, their limits, and the document that stands first.

    archive.json                              what the archive is, and which runs it holds
    project/<table>.0000.jsonl                rows about the project
    runs/<run>/<table>.0000.jsonl             rows of a table about one run, a JSON object on each line
    runs/<run>/checkpoints/<checkpoint>.json  manifests of checkpoints, as the trainer wrote them
    bundles/<digest>.zip                      users' code
    objects/<digest>.safetensors|json|file    packs, networks, artifacts
    SHA256SUMS                                the digest of each member before it

An archive is a tar file of plain files. Nothing in it is compressed by the archive, so it is never larger than it says.
"""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from keepbest.contract.base import ID_ALPHABET, ID_LENGTH, Id, Moment, Shape
from keepbest.contract.bundles import MAX_BUNDLE_BYTES
from keepbest.contract.names import Name

FORMAT: Literal["keepbest archive"] = "keepbest archive"
VERSION = 1
HEADER, SUMS = "archive.json", "SHA256SUMS"
ENDING = ".keepbest"

#: The most bytes of members that are read as a whole.
MAX_HEADER_BYTES = 24 * 2**20
MAX_SUMS_BYTES = 72 * 2**20
MAX_PART_BYTES = 24 * 2**20
MAX_MANIFEST_BYTES = 64 * 2**20
MAX_MEMBERS = 500_000
MAX_RUNS = 50_000
#: Rows fill a part up to this size; the last of them may be large.
PART_BYTES = 4 * 2**20

_ID = rf"[{ID_ALPHABET}]{{{ID_LENGTH}}}"
_NAMES = re.compile(
    r"archive\.json|SHA256SUMS"
    r"|project/(?P<of_project>[a-z_]{1,40})\.[0-9]{4,6}\.jsonl"
    rf"|runs/(?P<run>{_ID})/(?P<table>[a-z_]{{1,40}})\.[0-9]{{4,6}}\.jsonl"
    rf"|runs/(?P<of_run>{_ID})/checkpoints/(?P<checkpoint>{_ID})\.json"
    r"|bundles/(?P<bundle>[0-9a-f]{64})\.zip"
    r"|objects/(?P<object>[0-9a-f]{64})\.(?:safetensors|json|file)"
)


class ArchivedRun(Shape):
    """One run of an archive. `author` made it; `without` counts the checkpoints whose files lie in another store."""

    id: Id
    name: str = Field(max_length=100)
    number: int
    author: str = Field(max_length=100)
    created_at: Moment
    without: int = Field(default=0, ge=0)


class LeftOutRun(Shape):
    """A run that was not put into the archive, and why."""

    id: Id
    why: str = Field(max_length=200)


class ArchiveHeader(Shape):
    """What an archive is. `with_project`: it holds a project's description, rules, tags and views as well."""

    format: Literal["keepbest archive"] = FORMAT
    version: Literal[1] = 1
    keepbest: str = Field(max_length=100)
    schema_revision: str = Field(max_length=20)
    made_at: Moment
    project: Name
    with_project: bool = False
    with_files: bool = True
    runs: list[ArchivedRun] = Field(max_length=MAX_RUNS)
    left_out: list[LeftOutRun] = Field(default_factory=list, max_length=MAX_RUNS)


def name_part(folder: str, table: str, number: int) -> str:
    """Return the name of a part of a table's rows; the folder is `project` or `runs/<run>`."""
    return f"{folder}/{table}.{number:04}.jsonl"


def name_manifest(run: str, checkpoint: str) -> str:
    """Return the name of a checkpoint's manifest."""
    return f"runs/{run}/checkpoints/{checkpoint}.json"


def name_object(digest: str, suffix: str) -> str:
    """Return the name of an object; the suffix is that of its file in a store."""
    return f"objects/{digest}{suffix}"


def name_bundle(digest: str) -> str:
    """Return the name of a bundle."""
    return f"bundles/{digest}.zip"


def parse_name(name: str) -> dict[str, str] | None:
    """Return what a member's name says, or None for a name that no member has."""
    match = _NAMES.fullmatch(name)
    return None if match is None else {key: value for key, value in match.groupdict().items() if value is not None}


def most_bytes(name: str) -> int | None:
    """Return how large a member may be; None for one that is read piece by piece."""
    if name.startswith("objects/"):
        return None
    if name.startswith("bundles/"):
        return MAX_BUNDLE_BYTES
    if name.endswith(".jsonl"):
        return MAX_PART_BYTES
    return {HEADER: MAX_HEADER_BYTES, SUMS: MAX_SUMS_BYTES}.get(name, MAX_MANIFEST_BYTES)
