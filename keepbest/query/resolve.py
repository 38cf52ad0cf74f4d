"""What bare names mean: metrics or parameters, by the names that a project's runs have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from keepbest.hints import nearest
from keepbest.query.columns import COLUMNS
from keepbest.query.known import Known
from keepbest.query.mistakes import mistake
from keepbest.query.terms import And, Condition, Field, Not, Or, Term
from keepbest.query.values import TEXT

#: Of many known names, these are named where none is near.
_MOST_NAMED = 20


def resolve(term: Term, known: Known, text: str = "") -> Term:
    """Return the tree with every unknown name as a metric, or else as a parameter.

    Args:
        term: What a grammar read.
        known: The names that there are. Where there are none at all, every name is a metric, and no run fits.
        text: The filter, to show the place of a mistake in.

    Raises:
        InvalidInput: There is no such name; the hint says the nearest one. Or a metric is compared with a text.
    """
    match term:
        case And(parts):
            return And(tuple(resolve(part, known, text) for part in parts))
        case Or(parts):
            return Or(tuple(resolve(part, known, text) for part in parts))
        case Not(part):
            return Not(resolve(part, known, text))
        case Condition(field):
            resolved = replace(term, field=resolve_field(field, known, text))
            _check_values(resolved, text)
            return resolved
    return term


def resolve_field(field: Field, known: Known, text: str = "") -> Field:
    """Return the field that a name means, as `resolve` does; columns to show and to sort by are read with it, too."""
    if field.kind in ("column", "tag", "dataset"):
        return field
    whole = field.name if field.part == "best" else f"{field.name}.{field.part}"
    if field.kind != "parameter":
        if field.name in known.metrics:
            return replace(field, kind="metric")
        if whole in known.metrics:
            return replace(field, kind="metric", name=whole, part="best")
    if field.kind != "metric" and whole in known.parameters:
        return replace(field, kind="parameter", name=whole, part="best")
    if known.is_cut or not (known.metrics or known.parameters):
        return replace(field, kind="metric") if field.kind == "unknown" else field
    raise _unknown(field, known, text)


def _unknown(field: Field, known: Known, text: str) -> Exception:
    names: Collection[str] = {"metric": known.metrics, "parameter": list(known.parameters)}.get(
        field.kind, [*COLUMNS, *known.metrics, *known.parameters]
    )
    kind = field.kind if field.kind != "unknown" else "metric, parameter or column"
    hint = nearest(field.name, names)
    if hint.startswith("Known:") and len(names) > _MOST_NAMED:
        hint = nearest(field.name, sorted(names)[:_MOST_NAMED]).replace("Known:", "Some of what is known:")
    return mistake(text, field.place, f"No run has a {kind} {field.name!r}", hint)


def _check_values(condition: Condition, text: str) -> None:
    """A bare name took any value; now that it is a metric, it takes numbers."""
    if condition.field.kind != "metric":
        return
    name, place = condition.field.name, condition.field.place
    if condition.operator in TEXT:
        raise mistake(text, place, f"The metric {name!r} holds no text, for {condition.operator} to look into")
    wrong = [value for value in condition.values if isinstance(value, bool | str)]
    if wrong:
        hint = f"If the parameter is meant: params.{name}"
        raise mistake(text, place, f"The metric {name!r} is compared with a number, but got {wrong[0]!r}", hint)
