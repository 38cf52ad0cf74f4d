"""The store's folder: names made from checked ids and digests only, and the ways to write into it for good.

    objects/<2>/<digest>.safetensors    packs            runs/<run>/<checkpoint>.json    manifests
    objects/<2>/<digest>.json           networks         runs/<run>/<checkpoint>.pin     stays, whatever retention says
    tmp/                                being written    runs/<run>/<checkpoint>.selected    what the run ended with
    lock                                shared by writers, exclusive for whoever removes packs
    store.json                          which store it is (`identity`)
    trash/<time>/<run>/<checkpoint>.json    manifests, taken out

A file is written in tmp/, synced, renamed to its place, and the place's folder synced. So a name in objects/ or
runs/ always has its whole content, and a checkpoint whose manifest is not there does not exist.
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

from keepbest.checkpoint.files.identity import Identity
from keepbest.contract.base import DIGEST_PATTERN, ID_PATTERN, new_id
from keepbest.errors import InvalidInput, KeepbestError, NotTheStore, StoreUnavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM}
_LOOK_AGAIN_SECONDS = 0.02


class Folder:
    """Paths of one store, and committing a file to one of them. Nothing is made before something is written."""

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
        """Pin a checkpoint or let it go. The mark lies beside it, so that nobody needs a network to see it."""
        manifest = self.manifest(run, checkpoint)
        if not pinned:
            with self.explained(), suppress(FileNotFoundError):
                manifest.with_suffix(".pin").unlink()
        elif checkpoint not in self.pins(run):
            with self.writing():  # against the sweep of tmp/
                self.commit(manifest.with_suffix(".pin"), lambda descriptor: None)

    def selected(self, run: str) -> str | None:
        """Return the checkpoint that the run's selector chose, where it is marked and on disk."""
        marked = set(self._stems(run, ".selected")) & set(self.checkpoints(run))
        return max(marked, default=None)

    def select(self, run: str, checkpoint: str | None) -> None:
        """Mark the checkpoint that a run ends with, in place of any other; None: it has not ended yet."""
        with self.explained():
            for other in set(self._stems(run, ".selected")) - {checkpoint}:
                self.manifest(run, other).with_suffix(".selected").unlink(missing_ok=True)
        if checkpoint is not None:
            with self.writing():  # against the sweep of tmp/
                self.commit(self.manifest(run, checkpoint).with_suffix(".selected"), lambda descriptor: None)

    def manifests(self) -> list[Path]:
        """Return every manifest of the store, those in the trash too: what they name is needed."""
        return [*self.root.glob("runs/*/*.json"), *self.root.glob("trash/*/*/*.json")]

    def _stems(self, run: str, suffix: str) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            paths = [path for path in self.run(run).iterdir() if path.suffix == suffix]
            return [path.stem for path in paths if re.match(ID_PATTERN, path.stem)]
        return []

    def commit(self, path: Path, fill: Callable[[int], object]) -> None:
        """Make `path` hold what `fill` writes to the descriptor that it gets, whole or not at all.

        Raises NotTheStore where the store went away meanwhile: what was written lies in it all the same.
        """
        scratch = f"{new_id()}{path.suffix}"
        with (
            self.identity.opened(make=True) as root,
            _opened_folder(root, ("tmp",)) as tmp,
            _opened_folder(root, path.parent.relative_to(self.root).parts) as home,
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
        """Hold the store against the sweep; say in words what the operating system refuses."""
        with self.explained(), self.identity.opened(make=True) as root, _opened_lock(root) as lock:
            _flock(lock, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self, wait_seconds: float = 0.0) -> Iterator[bool]:
        """Hold the store against writers, and yield True; or yield False where somebody is writing all the while.

        Raises NotTheStore where the folder is not the store that it was.
        """
        with ExitStack() as held:
            try:
                lock = held.enter_context(_opened_lock(held.enter_context(self.identity.opened(make=False))))
            except OSError:
                yield False  # a store that cannot be written, or is not there
                return
            until = time.monotonic() + wait_seconds
            while not (is_alone := _flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)) and time.monotonic() < until:
                time.sleep(_LOOK_AGAIN_SECONDS)
            yield is_alone

    def sweep(self) -> int:
        """Remove what interrupted writers left; return how many files.

        Does nothing while anybody writes, nor in a folder that is not the store: who writes there is told.
        """
        with suppress(NotTheStore), self.alone() as is_alone:
            return _remove_all(self.root / "tmp") if is_alone else 0
        return 0

    def named(self, digests: Collection[str]) -> set[str]:
        """Return those of `digests` that any manifest of the store names."""
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
                free_mebibytes = shutil.disk_usage(self.root).free // 2**20
                return f"Free space on that disk ({free_mebibytes} MiB are left) or set KEEPBEST_STORE to another one."
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
def _opened_folder(root: int, parts: Sequence[str]) -> Iterator[int]:
    """Yield a descriptor of the folder at `parts` below the open folder `root`; it is made, new names durable."""
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
    """Return whether the lock is ours. Where the file system knows no locks, only the sweep goes without."""
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
