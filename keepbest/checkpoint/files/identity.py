"""Which store a folder is: an id in a marker, written once when the store is made and demanded ever after.

A store may be a mount. Where that went away, the path names the bare folder beneath, which validations like a store
that nobody has used yet: whoever wrote there would hide what it wrote, and whoever collected there would find
everything gone. So a folder is taken for the store only with the right marker; and all that is written goes through a
descriptor of the very folder whose marker was read, never through the path again.

What is the right one is known from the first use in this process, and, for a store that is the machine's own, from a
note in keepbest's folder (`notes`), which outlives the process.
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
#: What a store has that was made before there were markers.
_ROOMS = ("runs", "objects")


class Identity:
    """The id that the store in `root` must have. None is demanded of a folder that nobody has used yet."""

    def __init__(self, root: Path, notes: Path | None = None) -> None:
        self._root = root
        self._notes = notes
        self._id: str | None = None

    def expect(self, id: str | None) -> None:
        """Demand this id, which somebody else knows: a run, of the store that its checkpoints lie in."""
        self._id = id or self._id

    @property
    def expected(self) -> str | None:
        """The id that is demanded, or None where the store is still to be made."""
        if self._id is None and self._notes is not None:
            self._id = _id_in(_read(_note_of(self._notes, self._root)))
        return self._id

    def check(self) -> None:
        """Raise NotTheStore where a store is known and the folder is not it. Nothing is written there."""
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
        """Yield a descriptor of the store's folder, whose marker was read, or made where there was none to expect.

        Without `make` only a store that is older than markers gets one. Raises NotTheStore, and OSError.
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
            if text is None and self.expected is None and (make or _is_used(descriptor)):
                text = _make(descriptor)
            self._compare(text)
            yield descriptor
        finally:
            os.close(descriptor)

    def confirm(self, descriptor: int) -> None:
        """Raise NotTheStore where the path names another folder than this one by now."""
        held = os.fstat(descriptor)
        try:
            there = os.stat(self._root)
        except OSError as error:
            raise self._refuse(None) from error
        if (there.st_dev, there.st_ino) != (held.st_dev, held.st_ino):
            raise self._refuse(None)

    def accept(self) -> None:
        """Take the folder for the store as it is from now on: somebody removed or exchanged the store on purpose."""
        self._id = None
        if self._notes is not None:
            _note_of(self._notes, self._root).unlink(missing_ok=True)

    def _compare(self, text: str | None) -> None:
        if self.expected is None:
            self._learn(text)
        elif text != self.expected:
            raise self._refuse(text)

    def _learn(self, text: str | None) -> None:
        self._id = text
        if text is not None and self._notes is not None:
            note = _note_of(self._notes, self._root)
            with suppress(OSError):  # it is known as long as this process lives
                note.parent.mkdir(parents=True, exist_ok=True)
                write_private(note, json.dumps({"store": str(self._root.absolute()), "id": text}))

    def _refuse(self, text: str | None) -> NotTheStore:
        what = f"it is another one ({text})" if text is not None else "its marker is not there"
        return NotTheStore(
            f"The folder {self._root} is not the store of the checkpoints that it was ({self._id}): {what}.",
            hint="Is it mounted? Nothing is written there until it is. Where the store was removed or exchanged on "
            f"purpose: keepbest fsck --accept --store {quote(str(self._root))}",
        )


def read_id(descriptor: int) -> str | None:
    """Return the id in the marker of an open folder, or None where there is none."""
    try:
        marker = os.open(MARKER, os.O_RDONLY, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    try:
        return _id_in(os.read(marker, _MAX_BYTES))
    finally:
        os.close(marker)


def _make(descriptor: int) -> str | None:
    """Mark an open folder as a store, unless somebody else just does; return its id."""
    scratch = f"tmp/{new_id()}.json"  # where what a kill leaves is swept
    with suppress(FileExistsError):
        os.mkdir("tmp", dir_fd=descriptor)
    file = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=descriptor)
    try:
        os.write(file, json.dumps({"format": 1, "id": new_id()}).encode())
        os.fsync(file)
    finally:
        os.close(file)
    try:
        os.link(scratch, MARKER, src_dir_fd=descriptor, dst_dir_fd=descriptor)  # never in the place of another
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
    """Make `folder` and what leads to it; the new names are durable too."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(parent)
        os.close(parent)


def _is_used(descriptor: int) -> bool:
    return not set(_ROOMS).isdisjoint(os.listdir(descriptor))


def _note_of(notes: Path, root: Path) -> Path:
    return notes / "stores" / f"{blake3(os.fsencode(root.absolute())).hexdigest()[:32]}.json"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError:
        return b""


def _id_in(data: bytes) -> str | None:
    """Return the id that a marker or a note holds; None where it is no such file."""
    try:
        id = json.loads(data)["id"]
    except (ValueError, KeyError, TypeError):
        return None
    return id if isinstance(id, str) and re.fullmatch(ID_PATTERN, id) else None
