"""The parts of the pages that are read out of the code when the site is built: command, `Run`, errors, floors.

A page says where: a line `<!-- generated: commands -->` becomes what the function of that name returns, in Markdown.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from typer import Context

from keepbest import Run, errors
from keepbest.cli.main import VERBS, load
from keepbest.query.columns import COLUMNS, RunColumn
from keepbest.query.names import PARTS
from keepbest.stopping.registry import POLICIES
from keepbest.tracking.run import SHOWN
from tests.support.architecture import FLOORS

_MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    """Let Sphinx call `fill` for each page that it reads."""
    app.connect("source-read", lambda app, name, source: source.__setitem__(0, fill(source[0])))
    return {"parallel_read_safe": True}


def fill(text: str) -> str:
    """Return the text of a page with every mark replaced by what it names."""
    return _MARK.sub(lambda mark: _PARTS[mark[1]](), text)


def commands() -> str:
    """Return every verb of `keepbest` with its usage, its arguments and its options, by the panels of `--help`."""
    return "\n".join(line for panel in dict.fromkeys(verb.panel for verb in VERBS) for line in _panel(panel))


def error_tree() -> str:
    """Return the tree of errors as it stands at the head of `keepbest.errors`."""
    return f"```text\n{inspect.getdoc(errors)}\n```"


def run_members() -> str:
    """Return the class `Run` with the methods that a script calls: those that `dir(run)` shows."""
    members = (
        f"   .. auto{'property' if _is_property(name) else 'method'}:: {name}" for name in SHOWN if hasattr(Run, name)
    )
    return "\n".join(["```{eval-rst}", ".. autoclass:: keepbest.Run", "", *members, "```"])


def _is_property(name: str) -> bool:
    return isinstance(getattr(Run, name), property)


def policies() -> str:
    """Return the class of every stopping policy with its docstring; docs/reference/policies.md has the parameters."""
    classes = (f".. autoclass:: keepbest.stopping.{kind.__name__}" for kind in POLICIES.values())
    return "\n".join(["```{eval-rst}", *classes, "```"])


def floors() -> str:
    """Return the floors of the houses, the lowest first, as the architecture test holds them apart."""
    houses = (
        f"{house:<10} {' < '.join(' '.join(sorted(rooms)) for rooms in floors)}"
        for house, floors in FLOORS.items()
        if len(floors) > 1
    )
    return "\n".join(["```text", *(line.replace(" < ", "\n           < ") for line in houses), "```"])


def _panel(panel: str) -> Iterator[str]:
    yield from (f"## {panel}", "")
    for verb in VERBS:
        if verb.panel == panel:
            yield from _command(f"keepbest {verb.name}", load(verb.name))


def _command(name: str, command: Any) -> Iterator[str]:
    children = getattr(command, "commands", {})
    yield from (f"### `{name}`", "")
    if not children or command.help:
        yield from (_prose(command.help), "")
    for child in children.values():
        yield from _described(f"{name} {child.name}", child)
    if not children:
        yield from _described(name, command, is_alone=True)


def _described(name: str, command: Any, *, is_alone: bool = False) -> Iterator[str]:
    context = Context(command, info_name=name)
    if not is_alone:
        yield from (f"#### `{name}`", "", _prose(command.help), "")
    yield from ("```text", " ".join([name, *command.collect_usage_pieces(context)]), "```", "")
    records = [param.get_help_record(context) for param in command.params if "--help" not in param.opts]
    if any(records):
        yield from ("| | |", "| --- | --- |")
        yield from (f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in records if record)
        yield ""


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("\b", "")


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|").replace(" range>", ">")


def filter_columns() -> str:
    """Return the columns that a filter and a sort know."""
    rows = [(f"`{column.name}`", column.help, _holds(column)) for column in COLUMNS.values()]
    return _table(("column", "is", "holds"), rows)


def filter_parts() -> str:
    """Return what can be asked of a metric."""
    rows = [(f"`{part}`", help) for part, help in PARTS.items()]
    return _table(("part", "is"), rows)


def _holds(column: RunColumn) -> str:
    choices = ", ".join(f"`{choice}`" for choice in column.choices)
    return choices or {"time": "moment"}.get(column.kind, column.kind)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ("---",) * len(heads), *rows))


_PARTS = {
    "commands": commands,
    "errors": error_tree,
    "filter_columns": filter_columns,
    "filter_parts": filter_parts,
    "floors": floors,
    "policies": policies,
    "run": run_members,
}
