"""Identifies a store by an id in a marker file, which the store gets when it is made.

A store may be a mount. When the mount goes away, the path names the bare folder beneath, which looks like a new store.
A writer would hide its checkpoints there, and gc would find all checkpoints gone. So keepbest uses a folder only if its
marker holds the expected id. It writes through a descriptor of the very folder whose marker it has read, never by the
path again.

The first use in a process decides which id to expect. For a store of this machine, a note in keepbest's own folder
(`notes`) remembers the id for later processes.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote

from blake3 import blake3

from keepbest.contract.base import ID_PATTERN, new_id
from keepbest.errors import NotTheStore
from keepbest.settings import write_private

MARKER = "store.json"
_MAX_BYTES = 4096
#: Folders by which keepbest knows a store that is older than markers.
_ROOMS = {"runs", "objects"}


class Identity:
    """The id that the store in `root` must have; any id is right for a folder that nobody has used yet."""

    def __init__(self, root: Path, notes: Path | None = None) -> None:
        self._root = root
        self._notes = notes
        self._id: str | None = None

    def expect(self, id: str | None) -> None:
        """Expect this id from now on: a run knows the store of its checkpoints."""
        self._id = id or self._id

    @property
    def expected(self) -> str | None:
        """The expected id, or None if nobody has made the store yet."""
        if self._id is None and (note := self._note) is not None:
            self._id = _id_in(_read(note))
        return self._id

    @property
    def _note(self) -> Path | None:
        if self._notes is None:
            return None
        return self._notes / "stores" / f"{blake3(os.fsencode(self._root.absolute())).hexdigest()[:32]}.json"

    def check(self) -> None:
        """Raise NotTheStore if the folder's id is not the expected one. Writes nothing."""
        if self.expected is not None:
            try:
                descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            except OSError as error:
                raise self._refuse(None) from error
            try:
                self._compare(read_id(descriptor))
            finally:
                os.close(descriptor)

    @contextmanager
    def opened(self, *, make: bool) -> Iterator[int]:
        """Yield a descriptor of the store's folder after reading its marker. A new store gets one with `make`.

        A store that is older than markers always gets one. Raises NotTheStore, and OSError.
        """
        if make and self.expected is None:
            _make_folder(self._root)
        try:
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError) as error:
            if self.expected is None:
                raise
            raise self._refuse(None) from error
        try:
            text = read_id(descriptor)
            if text is None and self.expected is None and (make or not _ROOMS.isdisjoint(os.listdir(descriptor))):
                text = _make(descriptor)
            self._compare(text)
            yield descriptor
        finally:
            os.close(descriptor)

    def confirm(self, descriptor: int) -> None:
        """Raise NotTheStore if the path names another folder by now than `descriptor`."""
        held = os.fstat(descriptor)
        try:
            there = os.stat(self._root)
        except OSError as error:
            raise self._refuse(None) from error
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise self._refuse(None)

    def accept(self) -> None:
        """Expect the id that the folder has now: somebody removed or exchanged the store on purpose."""
        self._id = None
        if (note := self._note) is not None:
            note.unlink(missing_ok=True)

    def _compare(self, text: str | None) -> None:
        if self.expected is None:
            self._learn(text)
        elif text != self.expected:
            raise self._refuse(text)

    def _learn(self, text: str | None) -> None:
        self._id = text
        if text is not None and (note := self._note) is not None:
            with suppress(OSError):  # without the note, only this process knows the id
                note.parent.mkdir(parents=True, exist_ok=True)
                write_private(note, json.dumps({"store": str(self._root.absolute()), "id": text}))

    def _refuse(self, text: str | None) -> NotTheStore:
        what = f"it is another one ({text})" if text is not None else "its marker is not there"
        return NotTheStore(
            f"The folder {self._root} is not the store of the checkpoints that it was ({self._id}): {what}.",
            hint="Mount the store; until then keepbest writes nothing there. If you removed or exchanged the store on "
            f"purpose: keepbest fsck --accept --store {quote(str(self._root))}",
        )


def read_id(descriptor: int) -> str | None:
    """Return the id in the marker of an open folder, or None if there is no marker."""
    try:
        marker = os.open(MARKER, os.O_RDONLY, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    try:
        return _id_in(os.read(marker, _MAX_BYTES))
    finally:
        os.close(marker)


def _make(descriptor: int) -> str | None:
    """Mark an open folder as a store, unless another process is quicker; return its id."""
    scratch = f"tmp/{new_id()}.json"  # `sweep` empties tmp/ after a killed process
    with suppress(FileExistsError):
        os.mkdir("tmp", dir_fd=descriptor)
    file = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=descriptor)
    try:
        os.write(file, json.dumps({"format": 1, "id": new_id()}).encode())
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(scratch, MARKER, src_dir_fd=descriptor, dst_dir_fd=descriptor)  # fails if another marker is there
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK):
            raise
        os.rename(scratch, MARKER, src_dir_fd=descriptor, dst_dir_fd=descriptor)  # a file system without links
    finally:
        with suppress(FileNotFoundError):
            os.unlink(scratch, dir_fd=descriptor)
    os.fsync(descriptor)
    return read_id(descriptor)


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents, with durable names."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(parent)
        os.close(parent)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return b""


def _id_in(data: bytes) -> str | None:
    """Return the id in a marker or a note, or None if `data` is neither."""
    try:
        id = json.loads(data)["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return id if isinstance(id, str) and re.fullmatch(ID_PATTERN, id) else None
