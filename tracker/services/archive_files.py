"""The files in an archive: checkpoints' manifests and objects, and artifacts; checked, and put into the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blake3 import blake3

from keepbest.archive import layout
from keepbest.archive.reader import Archive
from keepbest.checkpoint.files import artifacts as artifact_files
from keepbest.checkpoint.files import pack
from keepbest.checkpoint.files.artifacts import CONTENT, ArtifactManifest
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.manifest import Manifest, decode
from keepbest.errors import CheckpointDamaged, InvalidInput
from tracker.store.archives.arrivals import Arrival, KeptFile
from tracker.store.archives.rows import Values
from tracker.store.archives.tables import OF_RUN, RUN

_PACK, _NETWORK = ".safetensors", ".json"
_TABLES = {table.name: table for table in OF_RUN}


@dataclass(frozen=True)
class ArchiveFiles:
    """The files of one archive, on their way into the store in the folder `root`."""

    archive: Archive
    root: Path
    notes: Path
    artifact_bytes: int
    folder: Folder = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Folder(self.root, notes=self.notes))

    def check_objects(self) -> None:
        """Read every object and manifest; raises InvalidInput where one is not what its name says.

        Contents are shared by all runs of a store, so a wrong one would spoil the runs of other people.
        """
        try:
            for name in self.archive.places:
                parts = layout.parse_name(name) or {}
                if "object" in parts:
                    self._check_object(name, parts["object"])
                if "checkpoint" in parts:
                    self._read_manifest(parts["of_run"], parts["checkpoint"])
        except CheckpointDamaged as error:
            raise InvalidInput(f"The archive cannot be kept. {error.message}", field="archive") from None

    def list_checkpoints(self, run: str) -> dict[str, KeptFile]:
        """Return the checkpoints of a run whose files are in the archive."""
        return {id: KeptFile(self._read_manifest(run, id)[1]) for id in self._list_manifests(run)}

    def list_artifacts(self, arrival: Arrival) -> dict[str, KeptFile]:
        """Return the artifacts of a run whose bytes are in the archive."""
        rows = arrival.read(_TABLES["artifacts"])
        return {row["id"]: KeptFile(row["digest"]) for row in rows if self._has_content(row)}

    def write(self, arrival: Arrival) -> Arrival:
        """Put the files of a run into the store, durably; return it with where they are."""
        run = arrival.run.id
        checkpoints = {id: self._write_checkpoint(run, id) for id in arrival.checkpoints}
        artifacts = {
            row["id"]: self._write_artifact(run, row)
            for row in arrival.read(_TABLES["artifacts"])
            if row["id"] in arrival.artifacts
        }
        self._mark(arrival)
        return replace(arrival, checkpoints=checkpoints, artifacts=artifacts)

    def _check_object(self, name: str, digest: str) -> None:
        place = self.archive.places[name]
        if name.endswith(_PACK):
            pack.check(self.archive.file.fileno(), digest, place.start, place.size)
            return
        if name.endswith(_NETWORK):
            value = blake3()
            for piece in self.archive.pieces(name):
                value.update(piece)
            present = value.hexdigest()
        else:
            present = place.digest
        if present != digest:
            raise CheckpointDamaged(f"{name} is not what its name says: its digest differs.")

    def _read_manifest(self, run: str, checkpoint: str) -> tuple[Manifest, str, bytes]:
        """Return a manifest, its digest and its bytes; raises InvalidInput unless it is that of this checkpoint."""
        data = self.archive.read(layout.name_manifest(run, checkpoint))
        manifest, digest = decode(data, checkpoint)
        if (manifest.run, manifest.id) != (run, checkpoint):
            message = f"The manifest of checkpoint {checkpoint} is that of {manifest.run}/{manifest.id}."
            raise InvalidInput(message, field="archive")
        missing = [name for name in _objects_of(manifest) if name not in self.archive.places]
        if missing:
            raise InvalidInput(f"The archive lacks {missing[0]}, which checkpoint {checkpoint} needs.", field="archive")
        return manifest, digest, data

    def _list_manifests(self, run: str) -> Iterator[str]:
        beginning = f"runs/{run}/checkpoints/"
        for name in self.archive.places:
            if name.startswith(beginning):
                yield name.removeprefix(beginning).removesuffix(".json")

    def _has_content(self, row: Values) -> bool:
        place = self.archive.places.get(layout.name_object(row["digest"], CONTENT))
        return place is not None and place.size == row["size_bytes"]

    def _write_checkpoint(self, run: str, id: str) -> KeptFile:
        manifest, digest, data = self._read_manifest(run, id)
        path, written = self.folder.manifest(run, id), 0
        with self.folder.writing():
            for name in _objects_of(manifest):
                object_digest, suffix = os.path.splitext(name.removeprefix("objects/"))
                written += self._write_object(name, self.folder.content(object_digest, suffix))
            if not path.is_file():
                self.folder.commit(path, lambda descriptor: _write_all(descriptor, [data]))
                written += len(data)
        return KeptFile(digest, str(path.absolute()), self.folder.identity.expected, written)

    def _write_object(self, name: str, path: Path) -> int:
        """Write an object unless it is there; return the bytes that this added."""
        size = self.archive.places[name].size
        if path.is_file() and path.stat().st_size == size:
            return 0
        self.folder.commit(path, lambda descriptor: _write_all(descriptor, self.archive.pieces(name)))
        return size

    def _write_artifact(self, run: str, row: Values) -> KeptFile:
        names = ("id", "path", "digest", "size_bytes", "media_type", "kind", "at")
        manifest = ArtifactManifest(run=run, **{name: row[name] for name in names})
        pieces = self.archive.pieces(layout.name_object(manifest.digest, CONTENT))
        if self.folder.content(manifest.digest, CONTENT).is_file():
            artifact_files.adopt(self.folder, manifest)
            return KeptFile(manifest.digest)
        with artifact_files.receive(self.folder, pieces, self.artifact_bytes) as received:
            return KeptFile(manifest.digest, written_bytes=artifact_files.keep(self.folder, received, manifest))

    def _mark(self, arrival: Arrival) -> None:
        """Mark the pinned checkpoints in the store, and the one that the run's selector chose."""
        run = arrival.run.id
        for row in arrival.read(_TABLES["checkpoints"]):
            if row["is_pinned"] and row["id"] in arrival.checkpoints:
                self.folder.pin(run, row["id"], True)
        for row in arrival.read(RUN):
            chosen = _selected(row)
            if chosen in arrival.checkpoints:
                self.folder.select(run, chosen)


def _objects_of(manifest: Manifest) -> list[str]:
    packs = [layout.name_object(name, _PACK) for name in sorted(manifest.objects)]
    return packs + ([layout.name_object(manifest.network, _NETWORK)] if manifest.network is not None else [])


def _selected(row: Values) -> Any:
    selection = row["selection"]
    return selection.get("checkpoint") if isinstance(selection, dict) else None


def _write_all(descriptor: int, pieces: Iterable[bytes]) -> None:
    with open(descriptor, "wb", closefd=False) as sink:
        for piece in pieces:
            sink.write(piece)
