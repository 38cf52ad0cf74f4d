"""Packs a user's code into one zip, with the same bytes for the same files, and unpacks it without trusting it.

The digest names the bundle, so the zip must not depend on clocks, owners or the order of a directory.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

import pathspec

from keepbest import figures, zips
from keepbest.contract.bundles import MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES
from keepbest.errors import InvalidInput, TooLarge

#: The largest size of an unpacked bundle.
MAX_UNPACKED_BYTES = 10 * MAX_BUNDLE_BYTES
#: Never sent, whatever .gitignore says: history, environments, caches, and the usual files with secrets.
ALWAYS_IGNORED = (
    ".git/", ".hg/", ".svn/", ".venv/", "venv/", "node_modules/", "__pycache__/", "*.py[co]", ".ipynb_checkpoints/",
    ".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".keepbest/", ".env", "*.pem", "*.key", ".DS_Store",
)  # fmt: skip
#: A folder with one of these files belongs to a service: it holds the database, tokens and all checkpoints.
SERVICE_FILES = ("admin-token", "worker-token")
_ALWAYS = pathspec.GitIgnoreSpec.from_lines(ALWAYS_IGNORED)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_SHRINK = "Put what the code does not need (data, outputs) into .gitignore, or name the file in a smaller folder."


@dataclass(frozen=True)
class PackedBundle:
    """A bundle ready to be sent; `skipped` are the links that lead out of the folder."""

    content: bytes
    digest: str
    files: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def pack(folder: Path, made: Mapping[str, bytes] | None = None) -> PackedBundle:
    """Pack the files of `folder` that its .gitignore files do not exclude; raises TooLarge past the limits.

    `made` are further files, by their paths in the folder.

    Leaves out a service's folder inside `folder`; raises InvalidInput if `folder` itself is a service's.
    """
    root = folder.resolve()
    _check_is_code(root)
    walked = islice(_walk(root, root, _rules_above(root)), MAX_BUNDLE_FILES + 1)  # a whole home folder stops here
    paths = sorted(walked, key=lambda path: path.as_posix())
    files = [path for path in paths if (root / path).resolve().is_relative_to(root)]
    _check_counts(root, files)
    content = _zip(root, files, made or {})
    if len(content) > MAX_BUNDLE_BYTES:
        raise TooLarge(
            f"The folder {root} packs to {figures.size(len(content))}, but a bundle has at most "
            f"{figures.size(MAX_BUNDLE_BYTES)}.",
            field="bundle",
            hint=_SHRINK,
        )
    skipped = tuple(path.as_posix() for path in paths if path not in files)
    names = sorted([*(path.as_posix() for path in files), *(made or {})])
    return PackedBundle(content, digest_of(content), tuple(names), skipped)


def unpack(content: bytes, target: Path) -> list[Path]:
    """Write the files of a bundle into `target`, which must not exist yet; return their paths.

    Writes nothing unless every entry is a plain file inside `target` and the bundle is within the limits.
    """
    with _open(content) as archive:
        entries = archive.infolist()
        paths = _check_entries(entries)
        target.mkdir(parents=True)
        return _extract_all(archive, entries, [target / path for path in paths], target)


def list_files(content: bytes) -> list[PurePosixPath]:
    """Return the files of a bundle without unpacking it; raises what `unpack` would for names and sizes."""
    with _open(content) as archive:
        return _check_entries(archive.infolist())


@contextmanager
def _open(content: bytes) -> Iterator[zipfile.ZipFile]:
    """Open a bundle; raises InvalidInput if it is damaged or its directory is past the limits."""
    with zips.plain_errors():
        zips.check_directory(content, MAX_BUNDLE_FILES)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield archive


def digest_of(content: bytes) -> str:
    """Return the name of a bundle: the SHA-256 of its bytes."""
    return hashlib.sha256(content).hexdigest()


#: The .gitignore files that apply, outermost first, each with its folder.
_Rules = tuple[tuple[Path, pathspec.GitIgnoreSpec], ...]


def _rules_above(root: Path) -> _Rules:
    """Return the rules between `root` and the top of its git repository, or none outside a repository."""
    for depth, folder in enumerate(root.parents):
        if (folder / ".git").exists():
            return tuple((parent, _rules_of(parent)) for parent in reversed(root.parents[: depth + 1]))
    return ()


def _walk(root: Path, folder: Path, above: _Rules) -> Iterator[Path]:
    rules = (*above, (folder, _rules_of(folder)))
    with os.scandir(folder) as scanned:
        entries = list(scanned)
    for entry in entries:
        path = Path(entry.path)
        is_folder = entry.is_dir(follow_symlinks=False)
        if _is_ignored(path, is_folder, rules):
            continue
        if is_folder:
            if not any((path / name).exists() for name in SERVICE_FILES):
                yield from _walk(root, path, rules)
        elif path.is_file():
            yield path.relative_to(root)


def _rules_of(folder: Path) -> pathspec.GitIgnoreSpec:
    file = folder / ".gitignore"
    lines = file.read_text(errors="replace").splitlines() if file.is_file() else []
    return pathspec.GitIgnoreSpec.from_lines(lines)


def _is_ignored(path: Path, is_folder: bool, rules: _Rules) -> bool:
    """Whether git ignores the path: the nearest .gitignore with a matching rule decides. ALWAYS_IGNORED comes first."""
    if _ALWAYS.match_file(path.name + "/" * is_folder):
        return True
    for folder, spec in reversed(rules):
        include = spec.check_file(path.relative_to(folder).as_posix() + "/" * is_folder).include
        if include is not None:
            return bool(include)
    return False


def _check_is_code(root: Path) -> None:
    if any((root / name).exists() for name in SERVICE_FILES):
        raise InvalidInput(
            f"The folder {root} belongs to a keepbest service and holds tokens, so it is not sent.",
            field="bundle",
            hint="Move your code into a folder of its own.",
        )


def _check_counts(root: Path, files: list[Path]) -> None:
    if not files:
        raise InvalidInput(f"There are no files to send in {root}.", field="bundle")
    for path in files:
        if (fault := zips.find_fault(path.as_posix())) is not None:
            raise InvalidInput(f"{str(path)[:100]}… in {root} {fault}.", field="bundle", hint=_SHRINK)
    if len(files) > MAX_BUNDLE_FILES:
        raise TooLarge(
            f"The folder {root} has more than {MAX_BUNDLE_FILES} files, the most that a bundle holds.",
            field="bundle",
            hint=_SHRINK,
        )
    sizes = sum((root / path).stat().st_size for path in files)
    if sizes > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"The folder {root} has {figures.size(sizes)} of files, but a bundle holds at most "
            f"{figures.size(MAX_UNPACKED_BYTES)}.",
            field="bundle",
            hint=_SHRINK,
        )


def _zip(root: Path, files: list[Path], made: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted([*(path.as_posix() for path in files), *made]):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr, entry.create_system = _MODE, 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, made[name] if name in made else (root / name).read_bytes())
    return buffer.getvalue()


def _check_entries(entries: list[zipfile.ZipInfo]) -> list[PurePosixPath]:
    if sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise zips.refuse(f"unpacks to more than {figures.size(MAX_UNPACKED_BYTES)}")
    paths = [_check_entry(entry) for entry in entries]
    taken = {path.as_posix().casefold() for path in paths}
    folders = {parent.as_posix().casefold() for path in paths for parent in path.parents}
    if len(taken) < len(paths) or taken & folders:
        raise zips.refuse("names a file twice")
    return paths


def _check_entry(entry: zipfile.ZipInfo) -> PurePosixPath:
    name, mode = entry.orig_filename, entry.external_attr >> 16
    if (fault := zips.find_fault(name)) is not None:
        raise zips.refuse(f"has a file that {fault}: {name[:100]!r}…")
    path = PurePosixPath(name)
    parts_are_plain = all(part not in ("", ".", "..") for part in name.split("/"))
    if not parts_are_plain or path.is_absolute() or any(char in name for char in "\\:\0") or not name.isprintable():
        raise zips.refuse(f"has a file whose name leads elsewhere: {name!r}")
    if (mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG)) or entry.is_dir():
        raise zips.refuse(f"has an entry that is no plain file: {name!r}")
    if entry.flag_bits & 0x1:
        raise zips.refuse(f"has an encrypted file: {name!r}")
    return path


def _extract_all(
    archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo], paths: list[Path], target: Path
) -> list[Path]:
    try:
        return [_extract(archive, entry, path) for entry, path in zip(entries, paths, strict=True)]
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source:
        content = source.read(entry.file_size + 1)  # zipfile stops at the size that was checked
    with path.open("xb") as file:
        file.write(content)
    return path
