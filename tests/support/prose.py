"""Rules of plain words that a machine can check: names of locals, and the form of error messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from keepbest import errors
from tests.support.architecture import Sources

#: Each may be anything: say what it holds (request, message, row, run).
BANNED_LOCALS = frozenset({"asked", "said", "found", "one"})
MESSAGE_CHARACTERS = 220
#: A sentence begins with a capital letter or a value, or with the name of an argument, option or field.
_BEGINS = re.compile(r"[A-Z0-9`{(]|--[a-z]|[a-z][a-z_]*(\W|$)")
_ENDS = (".", "?", "!", "…", "{}")
_ERRORS = frozenset(name for name, kind in vars(errors).items() if isinstance(kind, type))


def vague_locals(sources: Sources) -> Iterator[str]:
    """Locals, arguments and loop variables have names that say what they hold."""
    for module, source in sources.items():
        tree = ast.parse(source)
        kinds = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        fields = {part.target for kind in kinds for part in kind.body if isinstance(part, ast.AnnAssign)}
        for node in ast.walk(tree):
            if isinstance(node, ast.arg) and node.arg in BANNED_LOCALS:
                yield f"{module}:{node.lineno} has an argument `{node.arg}`: say what it holds"
            is_local = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in fields
            if is_local and node.id in BANNED_LOCALS:  # type: ignore[attr-defined]
                yield f"{module}:{node.lineno} has a local `{node.id}`: say what it holds"  # type: ignore[attr-defined]


def shapeless_messages(sources: Sources) -> Iterator[str]:
    """An error's message is a sentence that is short enough for a terminal."""
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            is_error = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS
            message = _text(node.args[0]) if is_error and node.args else None  # type: ignore[attr-defined]
            if message is None:
                continue
            if not _BEGINS.match(message) or not message.endswith(_ENDS):
                yield f"{module}:{node.lineno} says {message!r}: no sentence"  # type: ignore[attr-defined]
            if len(message) > MESSAGE_CHARACTERS:
                yield f"{module}:{node.lineno} says {len(message)} characters"  # type: ignore[attr-defined]


def loose_figures(sources: Sources) -> Iterator[str]:
    """Measured values are written by `keepbest.figures`: the same on the command line, in reports and on the pages."""
    for module, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            spec = _text(node.format_spec) if isinstance(node, ast.FormattedValue) and node.format_spec else None
            if spec and spec[-1] in "gGeE" and module != "keepbest.figures":
                yield f"{module}:{node.lineno} writes a number with :{spec}: keepbest.figures does"  # type: ignore[attr-defined]


def _text(node: ast.expr) -> str | None:
    """Return a literal text, with `{}` for each value in it; None where a name stands."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None
