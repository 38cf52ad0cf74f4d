"""Finds a submitted function, and the folder to send so that its imports work on a worker as they do here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from keepbest.cli.runs.notebook_file import ENDING, module_of
from keepbest.cli.runs.source_lookup import parse_file
from keepbest.errors import InvalidInput, NotFound

_INIT = "__init__.py"
FUNCTION = "build"


@dataclass(frozen=True, slots=True)
class Entry:
    """A function of a file in the sent folder; `why` explains a folder other than the file's own."""

    root: Path
    file: Path
    function: str
    shown: Path
    why: str = ""

    @property
    def inside(self) -> str:
        """The path in the sent folder of the file that a worker imports, with slashes."""
        file = self.file.with_name(module_of(self.file)) if self.is_notebook else self.file
        return file.relative_to(self.root).as_posix()

    @property
    def is_notebook(self) -> bool:
        """Whether the file is a notebook, whose code is sent as a module."""
        return self.file.suffix == ENDING


def find_entry(what: str, folder: Path | None) -> Entry | None:
    """Find `my_model.py:build`, `train.ipynb:build` or `net.model:build`; None for the name of a recipe.

    Without `folder`, the folder above the file's packages is sent. Raises NotFound or InvalidInput if `what` is no
    Python file, or if its imports cannot work in the sent folder.
    """
    pair = _find_file(what, folder)
    if pair is None:
        return None
    shown, function = pair
    file, tree = shown.resolve(), parse_file(shown)
    if folder is not None:
        return Entry(_check_given(file, tree, folder.resolve()), file, function, shown)
    root, why = _find_root(file, tree)
    if why and root in (Path.home().resolve(), Path(root.anchor)):
        hint = f"Move the package into a folder of its own, or name what to send: --folder {quote(str(file.parent))}"
        message = f"The folder {root}, {why}, is not sent, because it holds all your files."
        raise InvalidInput(message, field="folder", hint=hint)
    return Entry(root, file, function, shown, why)


def _find_file(what: str, folder: Path | None) -> tuple[Path, str] | None:
    path, sign, function = what.rpartition(":")
    name = path if sign else what
    if name.endswith((".py", ENDING)):
        return _beside(Path(name), folder), function if sign and function else FUNCTION
    if (not sign and "." not in name) or not all(part.isidentifier() for part in name.split(".")):
        _check_no_file(what)
        return None
    base = folder or Path()
    module = base.joinpath(*name.split("."))
    for file in (module.with_name(f"{module.name}.py"), module / _INIT):
        if file.is_file():
            return file, function if sign and function else FUNCTION
    if not sign:
        _check_no_file(what)
        return None
    raise NotFound(
        f"There is no module {name} in {base.resolve()}.",
        field="source",
        hint=f"Name its file, or the folder that it is imported from: keepbest submit {quote(what)} --folder src",
    )


def _beside(file: Path, folder: Path | None) -> Path:
    """Return the file relative to the present folder, or else to the sent folder."""
    inside = folder / file if folder is not None else file
    return inside if not file.exists() and inside.exists() else file


def _check_no_file(what: str) -> None:
    if Path(what).exists() and not what.isidentifier():
        raise InvalidInput(f"{what} is not a Python file.", field="source", hint="Name a file: my_model.py:build")


def _check_given(file: Path, tree: ast.Module, root: Path) -> Path:
    """Return the named folder; raises InvalidInput if the file or its relative imports lie outside."""
    if not file.is_relative_to(root):
        raise InvalidInput(f"{file} does not lie in {root}.", field="folder")
    needed = _above_relative(file, tree)
    if not needed.is_relative_to(root):
        raise InvalidInput(
            f"{file.name} imports from the package around it (from .… import …), which {root} does not hold.",
            field="folder",
            hint=f"--folder {quote(str(needed))}",
        )
    return root


def _find_root(file: Path, tree: ast.Module) -> tuple[Path, str]:
    """Return the folder that the file's imports start from, and why it is not the file's own."""
    above_packages = next(folder for folder in file.parents if not (folder / _INIT).exists())
    root = min(above_packages, _above_relative(file, tree), key=lambda path: len(path.parts))
    if root != file.parent:
        package = ".".join(file.parent.relative_to(root).parts)
        return root, f"the folder above the package {package}"
    here = Path().resolve()
    if not file.is_relative_to(here):
        return root, ""
    for name in _absolute_imports(tree):
        if _holds(root, name):
            continue
        between = (folder for folder in root.parents if folder.is_relative_to(here))
        above = next((folder for folder in between if _holds(folder, name)), None)
        if above is not None:
            return above, f"the folder that {name} is imported from"
    return root, ""


def _above_relative(file: Path, tree: ast.Module) -> Path:
    """Return the folder that the farthest relative import needs: `from .. import` needs two folders above."""
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return file.parents[min(max(levels, default=0), len(file.parents) - 1)]


def _absolute_imports(tree: ast.Module) -> Iterator[str]:
    """Yield the absolutely imported modules, such as a checkout's own `net.layers`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _holds(folder: Path, module: str) -> bool:
    path = folder.joinpath(*module.split("."))
    return path.is_dir() or path.with_name(f"{path.name}.py").is_file()
