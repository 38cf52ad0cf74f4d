"""Finds the functions of the store that select runs without the condition of who sees them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.architecture import Sources

#: The one module that says what a person sees.
RULE = "tracker.store.search.visibility"
#: Calls that bring the condition into a query, or the numbers of runs that met it.
_BRINGS = {"visible", "in_trash", "holds", "among"}
#: Makers of queries: whoever calls them adds the condition.
_SELECTS = {"select", "select_runs", "select_for_list", "select_with_failed", "_select_runs", "exists"}
#: Columns of which one value names one run.
_KEYS = {"pk", "id", "run_pk"}


def find_unseen(sources: Sources) -> Iterator[str]:
    """Yield each function of the store that selects from `RunTable` without the condition, and not one run by its key.

    Functions inside another are parts of it. Whatever compares `deleted_at` itself is told too.
    """
    for module, source in sources.items():
        if not module.startswith("tracker.store") or module == RULE:
            continue
        for node in ast.parse(source).body:
            methods = node.body if isinstance(node, ast.ClassDef) else [node]
            for function in methods:
                if isinstance(function, ast.FunctionDef) and _is_unseen(function):
                    yield f"{module.removeprefix('tracker.store.')}.{function.name}"


def find_own_rules(sources: Sources) -> Iterator[str]:
    """Yield each module that says by itself, without the rule, whether a run was deleted."""
    for module, source in sources.items():
        if module.startswith("tracker.") and module != RULE:
            yield from (module for node in ast.walk(ast.parse(source)) if _asks_for_deletion(node))


def _is_unseen(function: ast.FunctionDef) -> bool:
    nodes = list(ast.walk(function))
    calls = {_name_of(node.func) for node in nodes if isinstance(node, ast.Call)}
    reads_runs = any(_name_of(node) == "RunTable" for node in nodes) or bool(calls & (_SELECTS - {"select", "exists"}))
    is_known = any(isinstance(node, ast.Compare) and _names_one_run(node) for node in nodes)
    return bool(calls & _SELECTS) and reads_runs and not calls & _BRINGS and not is_known


def _names_one_run(node: ast.Compare) -> bool:
    """Whether a key is compared with one value: `RunTable.pk == run.pk`; a join compares it with a column."""
    sides = [node.left, *node.comparators]
    is_equal = all(isinstance(operator, ast.Eq) for operator in node.ops)
    columns = [side for side in sides if isinstance(side, ast.Attribute) and _is_table(side.value)]
    return is_equal and len(columns) == 1 and columns[0].attr in _KEYS


def _is_table(node: ast.AST) -> bool:
    return _name_of(node).endswith("Table") or _name_of(node) == "table"


def _asks_for_deletion(node: ast.AST) -> bool:
    """Whether this is `RunTable.deleted_at.is_(…)`, or `.is_not(…)`."""
    if not isinstance(node, ast.Attribute) or node.attr not in ("is_", "is_not"):
        return False
    column = node.value
    return isinstance(column, ast.Attribute) and column.attr == "deleted_at" and _name_of(column.value) == "RunTable"


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
