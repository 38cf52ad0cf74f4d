"""Finds the function that a name means in a Python file. It reads the file and never runs the user's code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keepbest.cli.runs.notebook_file import ENDING, read_notebook
from keepbest.errors import InvalidInput, NotFound

#: How many names of names, and imports of imports, the search follows.
_MAX_HOPS = 10
_Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True, slots=True)
class FunctionPlace:
    """A function and its place. `arguments` is None if only running the code would show them."""

    path: Path
    line: int
    arguments: ast.arguments | None


def find_function(path: Path, name: str, root: Path | None = None, *, hops: int = _MAX_HOPS) -> FunctionPlace | None:
    """Return the function `name` of a file, or None. An import leads to its file if that lies in `root`."""
    tree = parse_file(path)
    bound = list(_bind(tree.body, name))
    if not bound:
        return FunctionPlace(path, 1, None) if _may_come_from_elsewhere(tree) else None
    node = bound[-1]
    if isinstance(node, ast.ImportFrom) and hops:
        return _follow(path, node, name, root, hops) or FunctionPlace(path, node.lineno, None)
    if isinstance(node, ast.FunctionDef):
        return FunctionPlace(path, node.lineno, node.args)
    if isinstance(node, ast.AsyncFunctionDef):
        raise InvalidInput(f"{path}:{node.lineno}: {name} may not be async.", field="source", hint=f"def {name}(…):")
    value = getattr(node, "value", None)
    if isinstance(value, ast.Lambda):
        return FunctionPlace(path, node.lineno, value.args)
    if isinstance(value, ast.Name) and value.id != name and hops:
        return find_function(path, value.id, root, hops=hops - 1)
    return FunctionPlace(path, node.lineno, None)


def list_functions(path: Path) -> list[str]:
    """Return the names of the functions at the top of a file."""
    return [node.name for node in _statements(parse_file(path).body) if isinstance(node, ast.FunctionDef)]


def parse_file(path: Path) -> ast.Module:
    """Parse a Python file as Python itself would, in its own encoding; of a notebook, its code cells."""
    if path.suffix == ENDING:
        return ast.parse(read_notebook(path).text)
    try:
        return ast.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {(error.strerror or '').lower()}.", field="source") from error
    except SyntaxError as error:
        place = f"{path}:{error.lineno}" if error.lineno else str(path)
        line = f"\n    {(error.text or '').strip()}" if error.text else ""
        raise InvalidInput(
            f"{place}: {error.msg}{line}", field="source", hint="Mend that line, then submit again."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not Python: {error}.", field="source") from None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those under `if`, `try` and `with`."""
    for node in body:
        yield node
        for inside in ("body", "orelse", "finalbody"):
            if isinstance(node, ast.If | ast.Try | ast.With):
                yield from _statements(getattr(node, inside, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def _bind(body: list[ast.stmt], name: str) -> Iterator[ast.stmt]:
    """Yield the statements that give `name` its meaning, in order."""
    for node in _statements(body):
        is_named = isinstance(node, _Named) and node.name == name
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_assigned = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        aliases = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
        if is_named or is_assigned or any((alias.asname or alias.name) == name for alias in aliases):
            yield node


def _may_come_from_elsewhere(tree: ast.Module) -> bool:
    """Whether `from … import *`, or the module's own __getattr__, may bring names that no statement binds."""
    stars = (node for node in _statements(tree.body) if isinstance(node, ast.ImportFrom))
    return any(alias.name == "*" for node in stars for alias in node.names) or any(_bind(tree.body, "__getattr__"))


def _follow(path: Path, node: ast.ImportFrom, name: str, root: Path | None, hops: int) -> FunctionPlace | None:
    """Return the place of an imported function, or None if its file is not at hand."""
    wanted = next(alias.name for alias in node.names if (alias.asname or alias.name) == name)
    parts = (node.module or "").split(".") if node.module else []
    folders = [path.resolve().parents[node.level - 1]] if node.level else [item for item in (path.parent, root) if item]
    for folder in folders:
        module = folder.joinpath(*parts)
        files = [*([module.with_name(f"{module.name}.py")] if parts else []), module / "__init__.py"]
        for file in files:
            if file.is_file() and file.resolve() != path.resolve():
                return find_function(file, wanted, root, hops=hops - 1)
    return None
