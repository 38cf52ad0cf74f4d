"""Compile each route once a process, not once an application: it was a third of the time of a test of the HTTP API.

Werkzeug writes and compiles two functions for each route that an application registers: one builds its address, the
other builds it with a query. What they are depends on the route alone. Everything else is made for each application.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]
_compile = Rule._compile_builder
_compiled: dict[tuple[Any, ...], Builder] = {}


def compile_once(rule: Rule, append_unknown: bool = True) -> Builder:
    """Return what Werkzeug compiled for an equal route before; compile it where that route is the first."""
    if rule.defaults:  # these are written into the function
        return _compile(rule, append_unknown)
    key = (rule.rule, *rule._trace, append_unknown)
    if key not in _compiled:
        _compiled[key] = _compile(rule, append_unknown)
    return _compiled[key]


Rule._compile_builder = compile_once  # type: ignore[method-assign,assignment]
