"""The rules of the architecture: each is a function that yields the places where sources break it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

Sources = Mapping[str, str]  # dotted module name -> source text

# The floors of each package, from the bottom up. A module imports from its own floor or below, never from above.
FLOORS: dict[str, list[set[str]]] = {
    "keepbest": [
        {"errors", "figures", "hints", "renamed", "status"},
        {"contract", "memory_budget", "query", "settings", "zips"},
        {"archive", "client", "model", "outlook", "provenance", "rates", "stopping", "system"},
        {"selection", "snapshots"},
        {"checkpoint", "panels"},
        {"reports"},
        {"journal"},
        {"foreign"},
        {"tracking"},
        {"training"},
        {"keras", "loop", "mlflow", "tf1"},
        {"cli"},
    ],
    "tracker": [
        {"settings", "clocks", "last_words"},
        {"models"},
        {"db"},
        {"store"},
        {"services"},
        {"api", "scheduler"},
        {"mlflow"},
        {"app"},
        {"server", "sql"},
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
#: Private names of others that are used all the same, each with the reason.
FOREIGN_PRIVATES = {
    **dict.fromkeys(("_asdict", "_mapping"), "what a named tuple, and a row of SQLAlchemy, call their own fields"),
    **dict.fromkeys(("_getframe", "_current_frames", "_exit"), "Python's `sys` and `os` have no other name for it"),
    "_get_current_object": "Flask's documented way from `current_app` to the application",
    **dict.fromkeys(
        (
            "_flatten_layers", "_obj_type", "_call_has_training_arg", "_initial_epoch", "_fn", "_fn_kwargs",
            "_trainable_variables", "_model_variables_moving_average",
        ),
        "Keras says it nowhere else",
    ),
    "_inputs": "tf.data says nowhere else which datasets one is made of",
}  # fmt: skip
#: Class names that occur twice, each with the reason.
SHARED_NAMES = {
    "Run": "a script's living run, and the run as the contract says it: both are what users call a run",
    **dict.fromkeys(
        ("Artifact", "Histogram", "Table"), "W&B's scripts call it so; elsewhere it is the contract's, or a list"
    ),
    "Checkpoint": "one that is opened from a store, and one as the contract says it: both are what users call it",
}
#: Classes that others may have above them without being counted, each with the reason.
ROOTS = {
    "Shape": "it holds the settings of pydantic, and nothing else",
    "KeepbestError": "errors are a tree, for they are caught by kind",
    "Policy": "the interface of all policies",
}
ANCESTORS = 2
FUNCTION_LINES = 40
FILE_LINES = 400
NAME_CHARACTERS = 60
#: What waits for a process or for something to come true.
WAITS = {"wait_until", "wait_for_output", "wait", "run", "HTTPConnection"}
#: Seconds that a test waits anyway.
LONGEST_WAIT = 300


def read_sources(root: Path, *houses: str) -> dict[str, str]:
    """Return every module of the houses by its dotted name; a package goes by the folder's name."""
    found = {}
    for path in sorted(path for house in houses for path in (root / house).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def broken_floors(sources: Sources) -> Iterator[str]:
    """Imports point down only, inside a package and between packages."""
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
    """Every module has a floor."""
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


def broken_privates(sources: Sources) -> Iterator[str]:
    """No private member of another file's class is touched."""
    for module, source in sources.items():
        nodes = _walk(source)
        own = {name for node in nodes for name in _defined(node)}
        for node in nodes:
            if not isinstance(node, ast.Attribute) or _name(node.value) in {"self", "cls"}:
                continue
            is_private = node.attr.startswith("_") and not node.attr.endswith("__")
            if is_private and node.attr not in own and node.attr not in FOREIGN_PRIVATES:
                yield f"{module}:{node.lineno} touches {ast.unparse(node)}, which another file keeps to itself"


def broken_ancestors(sources: Sources) -> Iterator[str]:
    """No class has more than two of ours above it: parts are held, not inherited."""
    classes = dict(_classes(sources))
    for place in classes:
        above = [name for name in _find_above(place, classes) if name not in ROOTS]
        if len(above) > ANCESTORS:
            yield f"{'.'.join(place)} has {len(above)} classes above it: {', '.join(above)}"


def broken_names(sources: Sources) -> Iterator[str]:
    """No class name occurs twice: one word, one meaning."""
    seen: dict[str, str] = {}
    for module, name in dict(_classes(sources)):
        if name in seen and name not in SHARED_NAMES:
            yield f"{module}.{name}: there is a {name} in {seen[name]} already"
        seen.setdefault(name, module)


def broken_test_names(sources: Sources) -> Iterator[str]:
    """The name of a test says its subject and what is expected of it, no more."""
    for module, node in _nodes(sources):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and len(node.name) > NAME_CHARACTERS:
            yield f"{module}:{node.lineno} {node.name} has {len(node.name)} characters, over {NAME_CHARACTERS}"


def broken_waits(sources: Sources) -> Iterator[str]:
    """A test waits as long as any other: no shorter time of its own, which a slow machine would exceed."""
    for module, node in _nodes(sources):
        if not isinstance(node, ast.Call) or _called(node) not in WAITS:
            continue
        for word in node.keywords:
            number = _read_number(word.value, sources[module])
            if word.arg in ("seconds", "timeout") and number is not None and 1 <= number < LONGEST_WAIT:
                yield f"{module}:{node.lineno} waits {word.arg}={number:g}: leave it out, or say PATIENCE"


def _read_number(value: ast.expr, source: str) -> float | None:
    """Return the number that an expression is, or that the module gives to the name that it is."""
    if isinstance(value, ast.Name):
        given = (node for node in ast.parse(source).body if isinstance(node, ast.Assign))
        value = next((node.value for node in given if ast.unparse(node.targets[0]) == value.id), value)
    number = value.value if isinstance(value, ast.Constant) else None
    return number if isinstance(number, int | float) else None


RULES = (
    broken_floors,
    broken_rooms,
    broken_cycles,
    broken_libraries,
    broken_environment,
    broken_loads,
    broken_lengths,
    broken_privates,
    broken_ancestors,
    broken_names,
    broken_test_names,
    broken_waits,
)


def _floor(module: str) -> int:
    """Return the floor's number; a package's own __init__ is on top; -1 for a module that FLOORS does not name."""
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
    packages = {name[:at] for name in sources for at, letter in enumerate(name) if letter == "."}
    for module, node in _nodes(sources):
        if isinstance(node, ast.Import):
            yield from ((module, name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node, is_package=module in packages)
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
        for node in _walk(source):
            yield module, node


@cache
def _walk(source: str) -> tuple[ast.AST, ...]:
    """Return every node of a module, found once for all rules."""
    return tuple(ast.walk(ast.parse(source)))


def _called(node: ast.Call) -> str | None:
    return node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _is_in(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _defined(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node gives to something of its own file."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _name(node.value) in {"self", "cls"}:
        yield node.attr


def _classes(sources: Sources) -> Iterator[tuple[tuple[str, str], list[tuple[str, str]]]]:
    """Yield each class by module and name, with the bases that may be ours, by where they are imported from."""
    for module, source in sources.items():
        nodes = _walk(source)
        imported = {
            name.asname or name.name: (node.module or "", name.name)
            for node in nodes
            if isinstance(node, ast.ImportFrom)
            for name in node.names
        }
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                bases = [_name(base.value if isinstance(base, ast.Subscript) else base) for base in node.bases]
                yield (module, node.name), [imported.get(base, (module, base)) for base in bases if base]


def _find_above(place: tuple[str, str], classes: Mapping[tuple[str, str], list[tuple[str, str]]]) -> list[str]:
    """Return the names of our classes above one, the nearest first."""
    above: list[str] = []
    for base in classes.get(place, ()):
        if base in classes and base != place:
            above.extend([base[1], *_find_above(base, classes)])
    return above
