"""The store's folder: makes paths from checked ids and digests only, and writes files durably.

    objects/<2>/<digest>.safetensors    packs            runs/<run>/<checkpoint>.json    manifests
    objects/<2>/<digest>.json           networks         runs/<run>/<checkpoint>.pin     marks of pinned checkpoints
    tmp/                                being written    runs/<run>/<checkpoint>.selected    mark of the run's selection
    lock                                writers share it, gc holds it exclusively
    store.json                          the store's id (`identity`)
    trash/<time>/<run>/<checkpoint>.json    manifests of deleted checkpoints

Artifacts lie beside them (`artifacts`).

`commit` writes a file in tmp/, syncs it, renames it to its place, and syncs the folder. So a name in objects/ or runs/
always has its whole content. A checkpoint exists as soon as its manifest does.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from keepbest import figures
from keepbest.checkpoint.files.identity import Identity
from keepbest.contract.base import DIGEST_PATTERN, ID_PATTERN, new_id
from keepbest.errors import InvalidInput, KeepbestError, NotTheStore, StoreUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_RETRY_SECONDS = 0.02


class Folder:
    """Paths in one store, and writing files to them. The first write makes the folder."""

    def __init__(self, root: Path, *, notes: Path | None = None) -> None:
        self.root = root
        self.identity = Identity(root, notes)

    def content(self, digest: str, suffix: str = ".safetensors") -> Path:
        _check(DIGEST_PATTERN, digest, "digest")
        return self.root / "objects" / digest[:2] / f"{digest}{suffix}"

    def run(self, run: str) -> Path:
        _check(ID_PATTERN, run, "run")
        return self.root / "runs" / run

    def manifest(self, run: str, checkpoint: str) -> Path:
        _check(ID_PATTERN, checkpoint, "checkpoint")
        return self.run(run) / f"{checkpoint}.json"

    def checkpoints(self, run: str) -> list[str]:
        """Return the ids of the checkpoints of `run`, in no order."""
        return self._stems(run, ".json")

    def runs(self) -> list[str]:
        """Return the ids of the runs that have a folder, in order."""
        with suppress(FileNotFoundError, NotADirectoryError):
            return sorted(path.name for path in (self.root / "runs").iterdir() if re.match(ID_PATTERN, path.name))
        return []

    def pins(self, run: str) -> set[str]:
        """Return the ids of the checkpoints of `run` that are pinned."""
        return set(self._stems(run, ".pin"))

    def pin(self, run: str, checkpoint: str, pinned: bool) -> None:
        """Pin or unpin a checkpoint. The mark lies beside the manifest, so that a worker sees it without a tracker."""
        manifest = self.manifest(run, checkpoint)
        if not pinned:
            with self.explained(), suppress(FileNotFoundError):
                manifest.with_suffix(".pin").unlink()
        elif checkpoint not in self.pins(run):
            with self.writing():  # keeps `sweep` from removing the file in tmp/
                self.commit(manifest.with_suffix(".pin"), lambda descriptor: None)

    def selected(self, run: str) -> str | None:
        """Return the checkpoint that the run's selector chose, or None if none on disk is marked."""
        marked = set(self._stems(run, ".selected")) & set(self.checkpoints(run))
        return max(marked, default=None)

    def select(self, run: str, checkpoint: str | None) -> None:
        """Mark the checkpoint that the run's selector chose, and unmark any other; None marks no checkpoint."""
        with self.explained():
            for other in set(self._stems(run, ".selected")) - {checkpoint}:
                self.manifest(run, other).with_suffix(".selected").unlink(missing_ok=True)
        if checkpoint is not None:
            with self.writing():  # keeps `sweep` from removing the file in tmp/
                self.commit(self.manifest(run, checkpoint).with_suffix(".selected"), lambda descriptor: None)

    def manifests(self) -> list[Path]:
        """Return every manifest of the store, also those in the trash, whose packs must stay."""
        return [*self.root.glob("runs/*/*.json"), *self.root.glob("trash/*/*/*.json")]

    def _stems(self, run: str, suffix: str) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            paths = [path for path in self.run(run).iterdir() if path.suffix == suffix]
            return [path.stem for path in paths if re.match(ID_PATTERN, path.stem)]
        return []

    def commit(self, path: Path, fill: Callable[[int], object]) -> None:
        """Have `fill` write the file `path`, by the descriptor that it gets. The file appears whole or not at all.

        Raises NotTheStore if the store went away meanwhile; the file is in that store all the same.
        """
        scratch = f"{new_id()}{path.suffix}"
        with (
            self.identity.opened(make=True) as root,
            opened_folder(root, ("tmp",)) as tmp,
            opened_folder(root, path.parent.relative_to(self.root).parts) as home,
        ):
            try:
                descriptor = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=tmp)
                try:
                    fill(descriptor)
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                os.rename(scratch, path.name, src_dir_fd=tmp, dst_dir_fd=home)
            except BaseException:
                with suppress(OSError):
                    os.unlink(scratch, dir_fd=tmp)
                raise
            os.fsync(home)
            self.identity.confirm(root)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep `sweep` and gc out of the store, and explain errors of the operating system."""
        with self.explained(), self.identity.opened(make=True) as root, _opened_lock(root) as lock:
            _flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self, wait_seconds: float = 0.0) -> Iterator[bool]:
        """Keep writers out of the store and yield True, or yield False if somebody writes for all of `wait_seconds`.

        Raises NotTheStore if the folder is not the store that it was.
        """
        with ExitStack() as held:
            try:
                lock = held.enter_context(_opened_lock(held.enter_context(self.identity.opened(make=False))))
            except OSError:
                yield False  # the store cannot be written, or is not there
                return
            until = time.monotonic() + wait_seconds
            while not (is_alone := _flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)) and time.monotonic() < until:
                time.sleep(_RETRY_SECONDS)
            yield is_alone

    def sweep(self) -> int:
        """Remove the files that interrupted writers left in tmp/; return their number.

        Does nothing while anybody writes, nor in a folder that is not the store (writing there raises NotTheStore).
        """
        with suppress(NotTheStore), self.alone() as is_alone:
            return _remove_all(self.root / "tmp") if is_alone else 0
        return 0

    def named(self, digests: Collection[str]) -> set[str]:
        """Return the `digests` that any manifest of the store names."""
        wanted = {digest: digest.encode() for digest in digests}
        names: set[str] = set()
        for path in self.manifests() if wanted else ():
            data = path.read_bytes()
            names.update(digest for digest, text in wanted.items() if text in data)
        return names

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn an `OSError` into a `StoreUnavailable` that says what to do."""
        try:
            yield
        except KeepbestError:
            raise
        except OSError as error:
            raise StoreUnavailable(
                f"The checkpoint store {self.root} cannot be written: {error.strerror or error}.",
                hint=self._hint(error.errno),
            ) from error

    def _hint(self, number: int | None) -> str:
        if number in _FULL:
            with suppress(OSError):
                free = figures.size(shutil.disk_usage(self.root).free)
                return f"Free space on that disk ({free} are left) or set KEEPBEST_STORE to another one."
            return "Free space on that disk or set KEEPBEST_STORE to another one."
        if number in _REFUSED:
            return "Make the folder writable for this user or set KEEPBEST_STORE to one that is."
        return "Check that the disk is there and mounted, or set KEEPBEST_STORE to another folder."


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(root: int, parts: Sequence[str]) -> Iterator[int]:
    """Make the folder at `parts` below the open folder `root`, with durable names, and yield its descriptor."""
    current = os.dup(root)
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, dir_fd=current)
                os.fsync(current)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


@contextmanager
def _opened_lock(root: int) -> Iterator[int]:
    lock = os.open("lock", os.O_RDWR | os.O_CREAT, 0o666, dir_fd=root)
    try:
        yield lock
    finally:
        os.close(lock)


def _flock(lock: int, operation: int) -> bool:
    """Return whether we have the lock. On a file system without locks writers go on, and only `alone` gives up."""
    try:
        fcntl.flock(lock, operation)
    except OSError:
        return False
    return True


def _remove_all(folder: Path) -> int:
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            path.unlink()
            removed += 1
    return removed


def _check(pattern: str, text: str, field: str) -> None:
    # `$` alone would let a newline at the end through.
    if not re.fullmatch(pattern, text):
        raise InvalidInput(f"{text[:80]!r} is not the id of a {field}.", field=field)
