"""Copies a checkpoint to another run: the copy has a manifest of its own, and shares every pack.

The two are independent: a pack stays as long as any manifest names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.files.pack import write_all
from keepbest.checkpoint.manifest import Manifest, encode
from keepbest.contract.base import new_id
from keepbest.errors import NotFound


@dataclass(frozen=True)
class Copy:
    """A manifest that is not on disk yet; it shares the packs of `origin`."""

    origin: Manifest
    manifest: Manifest
    data: bytes
    digest: str
    location: Path


def make_copy(folder: Folder, origin: Manifest, run: str, kind: Literal["best", "last"]) -> Copy:
    """Return a copy of `origin` as the first checkpoint of `run`: in its first segment, with a new id."""
    changed = {"id": new_id(), "run": run, "segment": 0, "kind": kind}
    manifest = origin.model_copy(update=changed)
    data, digest = encode(manifest)
    return Copy(origin, manifest, data, digest, folder.manifest(run, manifest.id))


def put(folder: Folder, copy: Copy) -> None:
    """Write a copy to the disk. Meanwhile nobody can drop its origin, whose packs it needs.

    Raises NotFound if somebody dropped the origin before, StoreUnavailable if the store cannot be written.
    """
    with folder.writing():
        if not folder.manifest(copy.origin.run, copy.origin.id).is_file():
            raise NotFound(
                f"Checkpoint {copy.origin.id} of run {copy.origin.run} was dropped just now.",
                field="checkpoint",
                hint=f"`keepbest checkpoints {copy.origin.run}` lists the others.",
            )
        folder.commit(copy.location, lambda descriptor: write_all(descriptor, [copy.data]))
