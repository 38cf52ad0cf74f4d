"""What a submission trains: a recipe, a function in a file, or a whole command; a folder of code is sent with it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from keepbest.bundle import Packed, pack
from keepbest.cli.output import warn
from keepbest.cli.recipes import list_recipes
from keepbest.cli.signature import Signature, parse_file, read_signature
from keepbest.cli.words import size
from keepbest.client import Client
from keepbest.contract.asking import request
from keepbest.contract.runs import CodeSource, CommandSource, RecipeSource
from keepbest.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Source:
    """What is trained, what it takes, and what errors call it."""

    spec: RecipeSource | CodeSource | CommandSource
    signature: Signature
    name: str


def open_source(client: Client, what: str, folder: Path | None) -> Source:
    """Find a recipe's parameters with the tracker; read a file's, check it and send its folder."""
    file, function = split_file(what)
    if file is None:
        return open_recipe(client, what)
    signature = read_signature(file, function)
    root = (folder or file.parent).resolve()
    entry = _entry(file, root, function)
    packed = pack(root)
    _check_sent(packed.files, entry.partition(":")[0], root)
    spec = request(CodeSource, bundle=_send(client, packed, root), entry=entry, signature=list(signature.parameters))
    return Source(spec, signature, f"{file.name}:{function}")


def open_command(client: Client, argv: list[str], folder: Path | None) -> Source:
    """Check the files that a command names and send the folder that it will run in: the present one."""
    root = (folder or Path()).resolve()
    named = [file for file in (_find_file(root, word) for word in argv) if file is not None]
    for script in (file for file in named if file.suffix == ".py"):
        parse_file(root / script)
    packed = pack(root)
    for file in named:
        _check_sent(packed.files, file.as_posix(), root)
    source = request(CommandSource, bundle=packed.digest, argv=argv)
    _send(client, packed, root)
    return Source(source, Signature(()), shlex.join(argv)[:100])


def open_recipe(client: Client, name: str) -> Source:
    """A recipe that no worker has announced is left to the tracker to judge."""
    found = next((recipe for recipe in list_recipes(client).recipes if recipe.name == name), None)
    signature = Signature(tuple(found.parameters)) if found else Signature((), takes_any=True)
    return Source(request(RecipeSource, name=name), signature, f"Recipe {name}")


def split_file(what: str) -> tuple[Path | None, str]:
    """`my_model.py:build` -> (path, function); (None, "") for a recipe's name."""
    path, sign, function = what.rpartition(":")
    if sign and path.endswith(".py"):
        return Path(path), function or "build"
    if what.endswith(".py"):
        return Path(what), "build"
    if Path(what).exists() and not what.isidentifier():
        raise InvalidInput(f"{what} is not a Python file.", field="source", hint="Name a file: my_model.py:build")
    return None, ""


def _find_file(root: Path, word: str) -> Path | None:
    """Return the file in `root` that a word of a command names, from there."""
    try:
        path = (root / word).resolve()
        return path.relative_to(root) if path.is_file() else None
    except (OSError, ValueError):  # no name of a file at all, or one outside
        return None


def _entry(file: Path, root: Path, function: str) -> str:
    try:
        return f"{file.resolve().relative_to(root).as_posix()}:{function}"
    except ValueError:
        raise InvalidInput(f"{file} does not lie in {root}.", field="folder") from None


def _check_sent(files: tuple[str, ...], wanted: str, root: Path) -> None:
    if wanted not in files:
        raise NotFound(
            f"{wanted} is not sent: a .gitignore in {root} leaves it out.", field="source", hint="Take it out of there."
        )


def _send(client: Client, packed: Packed, root: Path) -> str:
    """Send a folder's files; return the bundle's digest."""
    for link in packed.skipped:
        warn(f"Left out, because it leads out of {root}: {link}")
    bundle = client.add_bundle(packed.content)
    count = len(packed.files)
    warn(f"Sent {count} file{'s' * (count != 1)} of {root} ({size(len(packed.content))}).")
    return bundle.digest
