"""Answers questions about the runs in a store of this machine as a tracker does: for runs without a tracker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import BinaryIO, NoReturn, Protocol

from keepbest.checkpoint.manifest import Manifest
from keepbest.checkpoint.restore import find_best
from keepbest.checkpoint.store import Store
from keepbest.contract.checkpoints import Checkpoint, CheckpointList, CheckpointState
from keepbest.errors import CheckpointError, InvalidInput, NotFound

#: The fewest first letters that may stand for an id, as in the tracker.
MIN_LETTERS = 4


class CheckpointSource(Protocol):
    """Knows a run's checkpoints and has their files: `keepbest.Client`, or a store of this machine."""

    def checkpoints(self, run: str) -> CheckpointList: ...

    def pin_checkpoint(self, checkpoint: str, *, pinned: bool) -> Checkpoint: ...

    def manifest(self, checkpoint: str) -> bytes: ...

    def download_object(self, checkpoint: str, digest: str, sink: BinaryIO) -> object: ...


class LocalRuns:
    """A store of this machine; `names` are the names of runs by id, from the journals of this machine."""

    def __init__(self, store: Store, names: Mapping[str, str] | None = None) -> None:
        self._store, self._names = store, names or {}

    def find(self, reference: str) -> str:
        """Return the id of a run; `reference` is its id, the first letters of the id, or its name.

        Raises NotFound, or InvalidInput if `reference` fits several runs.
        """
        runs = [run for run in self._store.folder.runs() if self._store.checkpoints(run)]
        named = [run for run in runs if self._names.get(run) == reference]
        names = [run for run in runs if run == reference] or _beginning(runs, reference) or named
        return _only(names, reference, "run", f"in {self._store.folder.root}")

    def checkpoints(self, run: str) -> CheckpointList:
        """Return the checkpoints of a run, oldest first."""
        manifests = self._store.manifests(run)
        best = find_best([manifest for manifest in manifests if manifest.is_trained])
        return CheckpointList(checkpoints=[self._describe(manifest, best) for manifest in manifests])

    def checkpoint(self, reference: str) -> Checkpoint:
        """Return a checkpoint by its id or the first letters of the id. Raises NotFound, InvalidInput."""
        every = {id: run for run in self._store.folder.runs() for id in self._store.checkpoints(run)}
        names = [reference] if reference in every else _beginning(every, reference)
        id = _only(names, reference, "checkpoint", f"in {self._store.folder.root}")
        return next(item for item in self.checkpoints(every[id]).checkpoints if item.id == id)

    def pin_checkpoint(self, checkpoint: str, *, pinned: bool) -> Checkpoint:
        """Pin a checkpoint, so that retention never removes it, or unpin it."""
        result = self.checkpoint(checkpoint)
        self._store.folder.pin(result.run, result.id, pinned)
        return result.model_copy(update={"is_pinned": pinned})

    def manifest(self, checkpoint: str) -> NoReturn:
        """Raise NotFound: the caller did not find the checkpoint in the store, so somebody has just dropped it."""
        raise NotFound(f"Checkpoint {checkpoint} is not in {self._store.folder.root} any more.", field="checkpoint")

    def download_object(self, checkpoint: str, digest: str, sink: BinaryIO) -> NoReturn:
        """Raise NotFound, as `manifest` does."""
        self.manifest(checkpoint)

    def _describe(self, manifest: Manifest, best: Manifest | None) -> Checkpoint:
        folder = self._store.folder
        return Checkpoint(
            id=manifest.id,
            run=manifest.run,
            segment=manifest.segment,
            step=manifest.step,
            kind=manifest.kind,
            value=manifest.value,
            n=manifest.n,
            is_best=best is not None and manifest.id == best.id,
            is_selected=manifest.id == folder.selected(manifest.run),
            is_pinned=manifest.id in folder.pins(manifest.run),
            state=CheckpointState.DURABLE,
            digest=self._store.read_manifest(manifest.run, manifest.id)[1],
            size_bytes=manifest.size_bytes,
            written_bytes=sum(self._size_of(name) for name in manifest.objects),
            location=str(folder.manifest(manifest.run, manifest.id)),
            at=manifest.at,
        )

    def _size_of(self, name: str) -> int:
        """Return the bytes of a pack, which other checkpoints may share; 0 if it is gone."""
        try:
            return self._store.folder.content(name).stat().st_size
        except (OSError, CheckpointError):
            return 0


def _beginning(ids: Iterable[str], letters: str) -> list[str]:
    return [id for id in ids if id.startswith(letters)] if len(letters) >= MIN_LETTERS else []


def _only(names: list[str], reference: str, what: str, where: str) -> str:
    if not names:
        raise NotFound(f"There is no {what} {reference[:80]!r} {where}.", field=what)
    if len(names) > 1:
        hint = f"Name one of them: {', '.join(names[:5])}"
        raise InvalidInput(f"{reference[:80]!r} fits {len(names)} {what}s.", field=what, hint=hint)
    return names[0]
