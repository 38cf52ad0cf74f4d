"""The checkpoint store: writes states, finds and loads checkpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from blake3 import blake3

from keepbest.checkpoint import load
from keepbest.checkpoint.examples import describe_example, to_parts
from keepbest.checkpoint.files import pack
from keepbest.checkpoint.files.folder import Folder
from keepbest.checkpoint.inputs import Inputs
from keepbest.checkpoint.load import Loaded
from keepbest.checkpoint.manifest import MAX_MANIFEST_BYTES, Manifest, MissingPart, StoredVariable, decode, encode
from keepbest.contract.base import CheckpointKind
from keepbest.errors import CheckpointDamaged, CheckpointError, NotFound
from keepbest.snapshots.missing import Missing
from keepbest.snapshots.state import VARIABLES, Predictions, State

#: A checkpoint shares an old pack only if it needs at least this part of it. Otherwise one unchanged scalar, such as
#: the learning rate, would keep the first checkpoint's pack in the store for ever.
SHARE_FROM_PART = 0.5


#: The most missing parts that a manifest names.
MAX_MISSING = 1000


@dataclass(frozen=True)
class CheckpointInfo:
    """The facts in a checkpoint's manifest that are not part of the state."""

    run: str
    at: datetime
    kind: CheckpointKind = "best"
    segment: int = 0
    value: float | None = None
    n: int | None = None
    monitor: str | None = None
    mode: Literal["min", "max"] | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None
    inputs: Inputs | None = None
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """A durable checkpoint."""

    manifest: Manifest
    digest: str
    written_bytes: int
    seconds: float
    location: Path


class Store:
    """A folder of checkpoints. Several processes may share it. In a process, one thread may write and any may read.

    `notes` is the folder in which a store of this machine notes its id for later processes.
    """

    def __init__(self, root: Path | str, *, threads: int | None = None, notes: Path | None = None) -> None:
        self.folder = Folder(Path(root), notes=notes)
        self._threads = threads or min(4, os.cpu_count() or 1)
        #: From the digest of a value to its pack, for the checkpoints that this process wrote or read.
        self._known: dict[str, str] = {}
        self._seen_runs: set[str] = set()

    def write(self, state: State, about: CheckpointInfo) -> Written:
        """Write `state` to the disk; afterwards the checkpoint is durable.

        Raises:
            StoreUnavailable: The disk is full, read-only or gone; earlier checkpoints are untouched.
        """
        started = time.perf_counter()
        with self.folder.writing():
            parts = _parts_of(state, self._threads)
            self._remember_run(about.run)
            shared = self._find_shared(parts)
            written_bytes, name = self._write_pack({part.digest: part for part in parts if part.digest not in shared})
            homes = {part.digest: shared.get(part.digest, name) for part in parts}
            examples, more_bytes = self._write_examples(state.predictions)
            manifest = _manifest_of(state, about, parts, homes, self._write_network(about.network))
            manifest = manifest.model_copy(update={"examples": examples})
            data, digest = encode(manifest)
            location = self.folder.manifest(about.run, state.id)
            self.folder.commit(location, lambda descriptor: pack.write_all(descriptor, [data]))
        self._known.update(homes)
        return Written(
            manifest, digest, written_bytes + more_bytes + len(data), time.perf_counter() - started, location
        )

    def read_manifest(self, run: str, checkpoint: str) -> tuple[Manifest, str]:
        """Return the manifest of a checkpoint and its digest.

        Raises:
            NotFound: There is no such checkpoint.
            NotTheStore: The store is away.
            CheckpointDamaged: The manifest is not what was written.
        """
        path = self.folder.manifest(run, checkpoint)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_MANIFEST_BYTES)
        except (FileNotFoundError, NotADirectoryError) as error:
            self.folder.identity.check()
            raise NotFound(
                f"Run {run} has no checkpoint {checkpoint} in {self.folder.root}.", hint=f"keepbest checkpoints {run}"
            ) from error
        manifest, digest = decode(data, checkpoint)
        if (manifest.run, manifest.id) != (run, checkpoint):
            raise CheckpointDamaged(f"The manifest of checkpoint {checkpoint} is that of {manifest.run}/{manifest.id}.")
        return manifest, digest

    def checkpoints(self, run: str) -> list[str]:
        """Return the ids of the checkpoints of `run`, in no order."""
        return self.folder.checkpoints(run)

    def manifests(self, run: str) -> list[Manifest]:
        """Return the manifests of `run`, oldest first, without damaged ones."""
        result = []
        for checkpoint in self.folder.checkpoints(run):
            try:
                result.append(self.read_manifest(run, checkpoint)[0])
            except CheckpointError:
                continue
        return sorted(result, key=lambda manifest: (manifest.at, manifest.id))

    def load(self, run: str, checkpoint: str) -> Loaded:
        """Read a checkpoint and check every digest.

        Raises:
            NotFound: There is no such checkpoint.
            CheckpointDamaged: A value is not what was written; the message names the variable, and the hint a
                checkpoint of the same run that is whole.
        """
        try:
            manifest, _ = self.read_manifest(run, checkpoint)
            return load.read(self.folder, manifest, self._threads)
        except CheckpointDamaged as error:
            raise CheckpointDamaged(error.message, hint=self._suggest_another(run, checkpoint) or error.hint) from error

    def load_newest(self, run: str, on_damaged: Callable[[CheckpointError], None] | None = None) -> Loaded | None:
        """Return the newest whole checkpoint of `run` from which training can go on, or None.

        `on_damaged` gets an error for each newer checkpoint that is damaged.
        """
        for manifest in reversed([item for item in self.manifests(run) if item.is_trained]):
            try:
                return load.read(self.folder, manifest, self._threads)
            except CheckpointDamaged as error:
                if on_damaged is not None:
                    on_damaged(error)
        return None

    def read_network(self, digest: str) -> str:
        """Return Keras' JSON of a network that a manifest names."""
        try:
            data = self.folder.content(digest, ".json").read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise CheckpointDamaged(f"The network {digest[:12]} is missing from {self.folder.root}.") from error
        if blake3(data).hexdigest() != digest:
            raise CheckpointDamaged(f"The network {digest[:12]} is not what was written.")
        return data.decode()

    def drop(self, run: str, checkpoint: str) -> bool:
        """Remove a checkpoint, and the packs that no other checkpoint needs. Return False if that must wait.

        It must wait while a process writes, because the writer may just have decided to share a pack. A pinned
        checkpoint stays. Raises NotFound if there is no such checkpoint.
        """
        manifest, _ = self.read_manifest(run, checkpoint)
        with self.folder.alone() as is_alone, self.folder.explained():
            free = is_alone and checkpoint not in self.folder.pins(run)
            if free:
                self.folder.manifest(run, checkpoint).unlink(missing_ok=True)
                contents = dict.fromkeys(manifest.objects, ".safetensors")
                contents |= {manifest.network: ".json"} if manifest.network is not None else {}
                for name in contents.keys() - self.folder.named(contents):
                    self.folder.content(name, contents[name]).unlink(missing_ok=True)
        return free

    def sweep(self) -> int:
        """Remove the files that interrupted writers left; return their number. Does nothing while anybody writes."""
        return self.folder.sweep()

    def _suggest_another(self, run: str, damaged: str) -> str | None:
        """Return a hint with the command that restores the newest whole checkpoint of `run`."""
        for manifest in reversed(self.manifests(run)):
            if manifest.id != damaged and load.is_whole(self.folder, manifest, self._threads):
                return (
                    f"Checkpoint {manifest.id} at step {manifest.step} is whole: "
                    f"keepbest restore {run} --step {manifest.step}"
                )
        return None

    def _remember_run(self, run: str) -> None:
        """Read the newest manifest of `run`, once: a resumed run then shares the packs of its last checkpoint."""
        if run in self._seen_runs:
            return
        self._seen_runs.add(run)
        for manifest in self.manifests(run)[-1:]:
            self._known.update({variable.digest: variable.object for variable in manifest.variables})

    def _find_shared(self, parts: Sequence[pack.PackEntry]) -> dict[str, str]:
        """Return the pack of each value that stays in an older pack."""
        candidates = {part.digest: self._known[part.digest] for part in parts if part.digest in self._known}
        sizes = {part.digest: len(part.data) for part in parts}
        needed: dict[str, int] = {}
        for digest, name in candidates.items():
            needed[name] = needed.get(name, 0) + sizes[digest]
        worth = {name for name, count in needed.items() if count >= SHARE_FROM_PART * self._pack_bytes(name)}
        return {digest: name for digest, name in candidates.items() if name in worth}

    def _pack_bytes(self, name: str) -> float:
        """Return the size of a pack; infinite if it is gone."""
        try:
            return self.folder.content(name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return float("inf")

    def _write_pack(self, parts: Mapping[str, pack.PackEntry]) -> tuple[int, str]:
        """Write one pack with `parts` unless it is there already; return the bytes written and its name."""
        header = pack.header_of(list(parts.values()))
        name = pack.name_of(header)
        path = self.folder.content(name)
        if not parts or path.exists():
            return 0, name
        self.folder.commit(path, lambda descriptor: pack.write(descriptor, header, list(parts.values())))
        return path.stat().st_size, name

    def _write_examples(self, predictions: Predictions | None) -> tuple[tuple[StoredVariable, ...], int]:
        """Write a pack of inputs, the same for every checkpoint, and one of outputs; return them and the bytes."""
        stored_variables, written = list[StoredVariable](), 0
        for group in to_parts(predictions) if predictions is not None else ():
            count, name = self._write_pack({part.digest: part for _, part in group})
            stored_variables += [
                describe_example(path, part, len(stored_variables) + place, name)
                for place, (path, part) in enumerate(group)
            ]
            written += count
        return tuple(stored_variables), written

    def _write_network(self, network: str | None) -> str | None:
        if network is None:
            return None
        data = network.encode()
        digest = str(blake3(data).hexdigest())
        path = self.folder.content(digest, ".json")
        if not path.exists():
            self.folder.commit(path, lambda descriptor: pack.write_all(descriptor, [data]))
        return digest


def _parts_of(state: State, threads: int) -> list[pack.PackEntry]:
    """Return each value's bytes, without copying them, and digests, which several threads compute."""
    import numpy as np

    def digest(index: int) -> pack.PackEntry:
        spec = state.specs[index]
        data = np.ascontiguousarray(np.asarray(state.values[index])).reshape(-1).view(np.uint8)
        return pack.PackEntry(pack.digest_of(spec.dtype, spec.shape, data), spec.dtype, spec.shape, data)

    places = range(len(state.specs))
    with ThreadPoolExecutor(threads, thread_name_prefix="keepbest-digest") as pool:
        try:
            return list(pool.map(digest, places))
        except RuntimeError as error:
            if "cannot schedule new futures" not in str(error):
                raise
    return [digest(place) for place in places]  # the script has ended, and Python's pools take no more work


def _manifest_of(
    state: State, about: CheckpointInfo, parts: Sequence[pack.PackEntry], homes: Mapping[str, str], network: str | None
) -> Manifest:
    is_plain = all(spec.collection in VARIABLES for spec in state.specs)
    return Manifest(
        format=1 if is_plain and not state.missing else 2,
        incomplete=tuple(_part_of(missing) for missing in state.missing[:MAX_MISSING]),
        id=state.id,
        run=about.run,
        segment=about.segment,
        kind=about.kind,
        step=state.position.step,
        epoch=state.position.epoch,
        batch=state.position.batch,
        value=about.value,
        n=about.n,
        made_of=about.made_of,
        averages=dict(state.averages),
        monitor=about.monitor,
        mode=about.mode,
        stopper=dict(state.stopper),
        random=dict(state.random),
        callbacks=dict(state.callbacks),
        environment=dict(about.environment),
        network=network,
        inputs=about.inputs,
        at=about.at,
        variables=tuple(
            StoredVariable(
                collection=spec.collection,
                index=spec.index,
                path=spec.path,
                shape=spec.shape,
                dtype=spec.dtype,
                digest=part.digest,
                object=homes[part.digest],
            )
            for spec, part in zip(state.specs, parts, strict=True)
        ),
    )


def _part_of(missing: Missing) -> MissingPart:
    return MissingPart(
        layer=missing.layer[:300],
        attribute=missing.attribute[:300],
        type=missing.type[:300],
        advice=missing.advice[:1000],
    )
