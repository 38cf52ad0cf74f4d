"""Turns a notebook's code cells, in their order, into the module that a worker imports. It runs nothing of them.

Lines that only a notebook understands are left out where nothing depends on them (`%matplotlib`, `!pip install`), and
refused with their place where something does (`files = !ls`, `%run`).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepbest.errors import InvalidInput, NotFound, TooLarge

ENDING = ".ipynb"
MAX_BYTES = 100 * 2**20
MAX_CELLS = 10_000
#: Magics of a cell that leave its code what it is.
_TRANSPARENT = frozenset({"time", "timeit", "capture", "prun", "memit"})
#: Magics of a line that a program can do without.
_NEEDLESS = frozenset({
    "matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "config", "precision", "pip", "conda", "mamba",
    "who", "whos", "pdb", "xmode", "pylab", "tensorboard", "lsmagic", "history", "pinfo", "colors", "load", "ls", "pwd",
})  # fmt: skip
_MAGIC = re.compile(r"^(\s*)%(\w+)\s*(.*)$")
_SHELL = re.compile(r"^\s*!")
_HELP = re.compile(r"^\s*(\?{1,2}[\w.]+|[\w.]+\?{1,2})\s*;?\s*$")
_ASSIGNED = re.compile(r"^\s*[\w.,\[\] ]+=\s*(!|%\w)")
_UNUSUAL = re.compile(r"[^A-Za-z0-9_]")
#: What a notebook has without an import.
_DISPLAY = "display = print  # a notebook has it without an import\n"


@dataclass(slots=True)
class NotebookCode:
    """The text of a module, the cell and line that each of its lines comes from, and what was left out of it."""

    text: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, line: str, cell: int, number: int) -> None:
        """Add one line of a cell."""
        self.text += f"{line}\n"
        self.places.append((cell, number))

    def find_place(self, line: int) -> str:
        """Return the place in the notebook of a line of the module: `cell 3, line 2`."""
        if not 1 <= line <= len(self.places):
            return ""
        cell, number = self.places[line - 1]
        return f"cell {cell}, line {number}"


def module_of(path: Path) -> str:
    """Return the file that a worker gets for a notebook.

    >>> module_of(Path("My model.ipynb"))
    'My_model_ipynb.py'
    """
    return f"{_UNUSUAL.sub('_', path.name)}.py"


def read_notebook(path: Path) -> NotebookCode:
    """Return the code of a notebook; raises NotFound, TooLarge, or InvalidInput that names cell and line."""
    code = NotebookCode()
    for number, cell in enumerate(_read_cells(path), start=1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            _add_cell(code, path, number, _read_lines(path, number, cell.get("source", "")))
    tree = _parse(path, code)
    names = {node.id: node.lineno for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if "get_ipython" in names:
        place = code.find_place(names["get_ipython"])
        raise _refuse(
            path, place, "get_ipython() is in no worker", "Take it out, or guard it: if __name__ == '__main__':"
        )
    if "display" in names and not _binds(tree, "display"):
        code.text = _DISPLAY + code.text
        code.places.insert(0, (0, 0))
    return code


def find_trainings(code: NotebookCode) -> list[str]:
    """Return the places where the module would train as soon as a worker imports it."""
    calls = (node for statement in ast.parse(code.text).body for node in _calls_at_import(statement))
    return list(dict.fromkeys(code.find_place(call.lineno) for call in calls if _trains(call)))


def _read_cells(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TooLarge(
                f"{path} is larger than a notebook with code to submit.", field="source", hint="Clear its outputs."
            )
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {(error.strerror or '').lower()}.", field="source") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no notebook: {error!s:.100}.", field="source") from None
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list) or len(cells) > MAX_CELLS:
        hint = "Save it in the present format: jupyter nbconvert --to notebook"
        raise InvalidInput(f"{path} is no notebook of format 4.", field="source", hint=hint)
    return cells


def _read_lines(path: Path, cell: int, source: Any) -> list[str]:
    parts = source if isinstance(source, list) else [source]
    if not all(isinstance(part, str) for part in parts):
        raise InvalidInput(f"{path} is no notebook: the source of cell {cell} is no text.", field="source")
    return "".join(parts).splitlines()


def _add_cell(code: NotebookCode, path: Path, cell: int, lines: list[str]) -> None:
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    if lines and lines[first].startswith("%%"):
        name = lines[first][2:].split(maxsplit=1)[0] if lines[first][2:].strip() else ""
        if name not in _TRANSPARENT:
            code.left_out.append(f"cell {cell} (%%{name:.50})")
            return
        lines[first] = ""
    inside, goes_on = _find_texts(lines), False
    for number, line in enumerate(lines, start=1):
        place = f"cell {cell}, line {number}"
        kept = line if number in inside else "" if goes_on else _translate(code, path, place, line)
        goes_on = line.rstrip().endswith("\\") and (goes_on or kept != line)  # a shell's line goes on
        code.add(kept, cell, number)


def _find_texts(lines: list[str]) -> set[int]:
    """Return the numbers of the lines that begin within a text of several lines, where a sign is no magic."""
    inside, quote = set[int](), ""
    for number, line in enumerate(lines, start=1):
        if quote:
            inside.add(number)
        for mark in re.findall(r'"""|\'\'\'', line):
            quote = "" if quote == mark else quote or mark
    return inside


def _translate(code: NotebookCode, path: Path, place: str, line: str) -> str:
    """Return a line of a cell as Python has it."""
    magic = _MAGIC.match(line)
    indent = line[: len(line) - len(line.lstrip())]
    if _ASSIGNED.match(line) and not _is_python(line):
        raise _refuse(path, place, f"{line.strip()!r:.100} runs a shell or a magic", "Write it in Python.")
    if _SHELL.match(line) or (_HELP.match(line) and not _is_python(line)):
        code.left_out.append(f"{place}: {line.strip():.80}")
        return f"{indent}pass"
    if magic is None or _is_python(line):
        return line
    name, rest = magic[2], magic[3]
    if name in _TRANSPARENT and rest and not rest.startswith("-"):
        return f"{indent}{rest}"
    if name not in _NEEDLESS and name not in _TRANSPARENT:
        raise _refuse(path, place, f"%{name} is in no worker", "Take it out, or write it in Python.")
    code.left_out.append(f"{place}: {line.strip():.80}")
    return f"{indent}pass"


def _is_python(line: str) -> bool:
    """Whether a line is Python by itself, such as the `% name` of a formatted text that goes on."""
    try:
        ast.parse(line.strip())
    except (SyntaxError, ValueError):
        return False
    return True


def _parse(path: Path, code: NotebookCode) -> ast.Module:
    try:
        return ast.parse(code.text)
    except SyntaxError as error:
        text = (error.text or "").strip()
        raise _refuse(path, code.find_place(error.lineno or 0), f"{error.msg}: {text:.80}", "Mend that line.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not Python: {error!s:.100}.", field="source") from None


def _binds(tree: ast.Module, name: str) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.ImportFrom | ast.Import) and any((a.asname or a.name) == name for a in node.names):
            return True
    return False


def _calls_at_import(node: ast.AST) -> Iterator[ast.Call]:
    """Yield the calls that importing a statement makes: none inside functions, nor under `if __name__ == …`."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _calls_at_import(child)


def _trains(call: ast.Call) -> bool:
    named = ast.unparse(call.func)
    return named.endswith(".fit") or named in ("keepbest.init", "wandb.init")


def _refuse(path: Path, place: str, why: str, hint: str) -> InvalidInput:
    return InvalidInput(f"{path}, {place or 'a cell'}: {why}.", field="source", hint=hint)
