"""The rules of the houses, each a function from sources to the places that break it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Sources = Mapping[str, str]  # dotted module name -> source text

# Each house from the cellar up. A module imports from its own floor or below, never from above.
FLOORS: dict[str, list[set[str]]] = {
    "keepbest": [
        {"errors", "renamed", "status"},
        {"contract", "memory", "settings", "zips"},
        {"client", "model", "rates", "stopping"},
        {"selection", "snapshots"},
        {"checkpoint", "panels"},
        {"restoration", "reports"},
        {"journal"},
        {"tracking"},
        {"training"},
        {"keras", "loop", "tf1"},
        {"cli"},
    ],
    "tracker": [
        {"settings", "clocks", "last_words"},
        {"models"},
        {"db"},
        {"store"},
        {"services"},
        {"api", "scheduler"},
        {"app"},
        {"server"},
    ],
    "worker": [
        {"settings", "data", "run_folder"},
        {"recipes"},
        {"child_process", "command", "executors", "trainer"},
        {"agent", "checks"},
    ],
    "migrations": [{"env", "versions"}],
}
HOUSES_BELOW = {
    "keepbest": set[str](),
    "tracker": {"keepbest"},
    "worker": {"keepbest"},
    "migrations": {"tracker", "keepbest"},
}
SQL_ROOMS = ("tracker.models", "tracker.db", "tracker.store", "migrations")
SERVICE_LIBRARIES = {"flask", "sqlalchemy", "alembic", "apscheduler", "granian", "gunicorn", "werkzeug"}
UNSAFE_LIBRARIES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FUNCTION_LINES = 40
FILE_LINES = 400


def read_sources(root: Path, *houses: str) -> dict[str, str]:
    """Return every module of the houses by its dotted name; a package goes by the folder's name."""
    found = {}
    for path in sorted(path for house in houses for path in (root / house).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def broken_floors(sources: Sources) -> Iterator[str]:
    """Arrows point down only, inside a house and between houses."""
    for module, imported, line in _own_imports(sources):
        house, other = module.partition(".")[0], imported.partition(".")[0]
        if house != other:
            if other not in HOUSES_BELOW[house]:
                yield f"{module}:{line} imports {imported}: {house} must not know {other}"
        elif imported == house:
            yield f"{module}:{line} imports {imported} itself: name the module it means"
        elif _floor(imported) > _floor(module) >= 0:
            yield f"{module}:{line} imports {imported} from a floor above"


def broken_rooms(sources: Sources) -> Iterator[str]:
    """Every module stands on a floor."""
    for module in sources:
        if _floor(module) < 0:
            yield f"{module} has no floor: give its room one in FLOORS"


def broken_cycles(sources: Sources) -> Iterator[str]:
    """No module imports itself through others, not even inside a function."""
    graph: dict[str, set[str]] = {}
    for module, imported, _ in _own_imports(sources):
        graph.setdefault(module, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"a cycle: {' <- '.join(error.args[1])}"


def broken_libraries(sources: Sources) -> Iterator[str]:
    """SQLAlchemy stays in its rooms, the library free of the service's parts, and pickle out of everything."""
    for module, imported, line in _imports(sources):
        library = imported.partition(".")[0]
        where = f"{module}:{line} imports {imported}"
        if library == "sqlalchemy" and not _is_in(module, SQL_ROOMS):
            yield f"{where}: only {', '.join(SQL_ROOMS)} know SQLAlchemy"
        if library in SERVICE_LIBRARIES and _is_in(module, ("keepbest", "worker")):
            yield f"{where}: that is the tracker's"
        if library in UNSAFE_LIBRARIES:
            yield f"{where}: reading it can run code"


def broken_environment(sources: Sources) -> Iterator[str]:
    """Only settings modules read the environment."""
    for module, node in _nodes(sources):
        if module.endswith(".settings"):
            continue
        if (
            isinstance(node, ast.Attribute)
            and node.attr in {"environ", "environb", "getenv"}
            and _name(node.value) == "os"
        ):
            yield f"{module}:{node.lineno} reads os.{node.attr}: only settings modules do"
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {"environ", "getenv"} & {name.name for name in node.names}
        ):
            yield f"{module}:{node.lineno} imports the environment from os: only settings modules read it"


def broken_loads(sources: Sources) -> Iterator[str]:
    """No file is read in a way that can run code."""
    unsafe = {("allow_pickle", True), ("safe_mode", False), ("shell", True)}
    for module, node in _nodes(sources):
        if (
            isinstance(node, ast.keyword)
            and isinstance(node.value, ast.Constant)
            and (node.arg, node.value.value) in unsafe
        ):
            yield f"{module}:{node.value.lineno} says {node.arg}={node.value.value!r}: that can run code"


def broken_lengths(sources: Sources) -> Iterator[str]:
    """Functions and files stay short enough to read at once; neither parameters nor docstring count."""
    for module, source in sources.items():
        lines = source.count("\n")
        if lines > FILE_LINES:
            yield f"{module} has {lines} lines, over {FILE_LINES}: split it by noun"
    for module, node in _nodes(sources):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > FUNCTION_LINES:
            yield f"{module}:{node.lineno} {node.name} has {_length(node)} lines, over {FUNCTION_LINES}"


RULES = (
    broken_floors,
    broken_rooms,
    broken_cycles,
    broken_libraries,
    broken_environment,
    broken_loads,
    broken_lengths,
)


def _floor(module: str) -> int:
    """Return the floor's number; a house's own __init__ stands on the roof; -1 for a room not in the plan."""
    house, *rooms = module.split(".")
    floors = FLOORS.get(house, [])
    if not rooms or rooms[0] == "__main__":
        return len(floors)
    return next((number for number, names in enumerate(floors) if rooms[0] in names), -1)


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of the body, from the first statement after the docstring."""
    body = function.body if ast.get_docstring(function) is None else function.body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def _own_imports(sources: Sources) -> Iterator[tuple[str, str, int]]:
    for module, imported, line in _imports(sources):
        if imported.partition(".")[0] in FLOORS and imported != module:
            yield module, imported, line


def _imports(sources: Sources) -> Iterator[tuple[str, str, int]]:
    """Yield (module, imported module, line), wherever the import stands: at the top, in a function, for types only."""
    for module, node in _nodes(sources):
        if isinstance(node, ast.Import):
            yield from ((module, name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node, is_package=any(name.startswith(f"{module}.") for name in sources))
            for name in node.names:
                deeper = f"{base}.{name.name}"
                yield module, deeper if deeper in sources else base, node.lineno


def _base(module: str, node: ast.ImportFrom, *, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    folder = module.split(".") if is_package else module.split(".")[:-1]
    return ".".join([*folder[: len(folder) - node.level + 1], *([node.module] if node.module else [])])


def _nodes(sources: Sources) -> Iterator[tuple[str, ast.AST]]:
    for module, source in sources.items():
        for node in ast.walk(_parse(source)):
            yield module, node


@cache
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _is_in(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)
