"""Checkpoints from the tracker: chooses the one that the user names, and downloads the files that are missing here."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from keepbest.checkpoint.files.pack import write_all
from keepbest.checkpoint.local_runs import CheckpointSource
from keepbest.checkpoint.manifest import Manifest, decode
from keepbest.checkpoint.store import Store
from keepbest.contract.checkpoints import Checkpoint, CheckpointState
from keepbest.errors import InvalidInput, NotFound

Which = Literal["best", "last", "selected"]


def choose(
    source: CheckpointSource, run: str, *, which: Which = "best", step: int | None = None, id: str | None = None
) -> Checkpoint:
    """Return the checkpoint with this id (or its first letters) or step, else the best or the last.

    "selected" is the one that the run's selector chose at its end, or the best if it chose none. An average has no
    step, and is never the last. Raises NotFound, which names the steps that there are.
    """
    kept = [
        checkpoint for checkpoint in source.checkpoints(run).checkpoints if checkpoint.state is CheckpointState.DURABLE
    ]
    trained = [checkpoint for checkpoint in kept if checkpoint.kind != "selected"]
    if id is not None:
        checkpoints = [checkpoint for checkpoint in kept if checkpoint.id.startswith(id)]
    elif step is not None:
        there = [checkpoint for checkpoint in trained if checkpoint.step == step]
        checkpoints = [checkpoint for checkpoint in there if not checkpoint.ghost] or there
    elif which == "last":
        checkpoints = [checkpoint for checkpoint in trained if not checkpoint.ghost]
    else:
        checkpoints = [checkpoint for checkpoint in kept if checkpoint.is_selected] if which == "selected" else []
        checkpoints = checkpoints or [checkpoint for checkpoint in kept if checkpoint.is_best]
    if not checkpoints:
        raise _missing(run, kept)
    if id is not None and len(checkpoints) > 1:
        raise InvalidInput(
            f"The ids of several checkpoints begin with {id!r}.",
            field="checkpoint",
            hint=f"`keepbest checkpoints {run}` lists them.",
        )
    return max(checkpoints, key=lambda checkpoint: (checkpoint.step, checkpoint.at))


@contextmanager
def opened(source: CheckpointSource, checkpoint: Checkpoint, store: Path | None) -> Iterator[Store]:
    """Yield a store that holds the checkpoint: `store` if the checkpoint is there, else a temporary one with a copy."""
    here = Store(store) if store is not None else None
    if here is not None and here.folder.manifest(checkpoint.run, checkpoint.id).is_file():
        yield here
        return
    with tempfile.TemporaryDirectory(prefix="keepbest-") as folder:
        copy = Store(folder)
        download(source, checkpoint, copy)
        yield copy


def read_manifest(source: CheckpointSource, run: str, checkpoint: str, store: Path | None) -> Manifest:
    """Return the manifest of a checkpoint, from `store` if the checkpoint is there, else from the tracker.

    Raises NotFound if neither has it, CheckpointDamaged if the manifest is not what was written.
    """
    here = Store(store) if store is not None else None
    if here is not None and here.folder.manifest(run, checkpoint).is_file():
        return here.read_manifest(run, checkpoint)[0]
    return decode(source.manifest(checkpoint), checkpoint)[0]


def download(source: CheckpointSource, checkpoint: Checkpoint, store: Store) -> Manifest:
    """Download a checkpoint into `store`, its manifest last: without a manifest, a partial download does not count.

    Raises CheckpointDamaged if the manifest is not what was written; loading checks the values.
    """
    data = source.manifest(checkpoint.id)
    manifest, _ = decode(data, checkpoint.id)
    with store.folder.writing():
        for digest in sorted(manifest.objects):
            _download_object(source, checkpoint.id, digest, store.folder.content(digest), store)
        if manifest.network is not None:
            path = store.folder.content(manifest.network, ".json")
            _download_object(source, checkpoint.id, manifest.network, path, store)
        store.folder.commit(store.folder.manifest(manifest.run, manifest.id), lambda file: write_all(file, [data]))
    return manifest


def _download_object(source: CheckpointSource, checkpoint: str, digest: str, path: Path, store: Store) -> None:
    def fill(descriptor: int) -> None:
        with os.fdopen(os.dup(descriptor), "wb") as sink:
            source.download_object(checkpoint, digest, sink)

    if not path.is_file():
        store.folder.commit(path, fill)


def _missing(run: str, kept: list[Checkpoint]) -> NotFound:
    if not kept:
        hint = f"`keepbest show {run}` shows its state; a script keeps checkpoints with KeepBest, Loop or Session."
        return NotFound(f"Run {run} has no checkpoint on disk.", field="run", hint=hint)
    steps = ", ".join(f"{checkpoint.step}" for checkpoint in kept[-10:])
    return NotFound(
        f"Run {run} has no such checkpoint; the last ones are those of step {steps}.",
        hint=f"`keepbest checkpoints {run}` lists them.",
    )
