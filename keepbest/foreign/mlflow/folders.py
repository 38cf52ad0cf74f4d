"""Reads folders that anybody may have written: no link is followed, what is too large is refused before it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from keepbest.errors import InvalidInput

#: Bytes of a text that is read whole, levels of folders, and files below one folder.
MAX_TEXT, MAX_LEVELS, MAX_FILES = 2**21, 20, 100_000

Say = Callable[[str], object]


def open_plain(path: Path) -> BinaryIO:
    """Open a file to read; raises OSError for a link, and InvalidInput for what is no file."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InvalidInput(f"{path} is no file.")
    return os.fdopen(handle, "rb")


def read_text(path: Path, most: int = MAX_TEXT) -> str:
    """Return a small text; raises InvalidInput for a larger one."""
    with open_plain(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise InvalidInput(f"{path.name} has more than {most:,} bytes.")
    return data.decode("utf-8", "replace")


def list_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder by name, links left out."""
    return sorted(Path(entry.path) for entry in _scan(folder) if entry.is_dir(follow_symlinks=False))


def walk_files(folder: Path, say: Say) -> Iterator[tuple[str, Path, int]]:
    """Yield (relative path, path, size) of every file below a folder; links and what is too much are said."""
    waiting, count = [(folder, "", 0)], 0
    while waiting:
        here, prefix, level = waiting.pop()
        for entry in sorted(_scan(here), key=lambda entry: entry.name, reverse=True):
            name = f"{prefix}{entry.name}"
            if entry.is_symlink():
                say(f"the link {name!a}: links are not followed")
            elif entry.is_dir(follow_symlinks=False):
                if level >= MAX_LEVELS:
                    say(f"the folder {name!a}: more than {MAX_LEVELS} levels deep")
                else:
                    waiting.append((Path(entry.path), f"{name}/", level + 1))
            elif entry.is_file(follow_symlinks=False):
                count += 1
                if count > MAX_FILES:
                    say(f"files beyond {MAX_FILES:,}")
                    return
                yield name, Path(entry.path), entry.stat(follow_symlinks=False).st_size


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a YAML file of names and values. Raises InvalidInput for another one, OSError where there is none."""
    import yaml  # imported late: few commands read one

    class Loader(yaml.SafeLoader):
        """Refuses aliases, by which a small file names a huge value."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it has an alias")
            return super().compose_node(parent, index)

    text = read_text(path)
    try:
        fields = yaml.load(text, Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is no YAML that can be read: {str(error).splitlines()[0]}.") from None
    if not isinstance(fields, dict):
        raise InvalidInput(f"{path} holds no names and values.")
    return {str(key): value for key, value in fields.items()}


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
