"""The tree of a filter: what every grammar is read into, and what every store answers.

The meaning of a condition, for a run and one field of it:

- A run has a value in a field, or it has none. NaN is no value. A metric's parts, a parameter and a column are one
  value each; a tag is as many as the run has (`Field("tag", "")`: each whole tag; `Field("tag", "team")`: what stands
  behind `team=`).
- `=` holds where a value is the same, `in` where a value is one of several, `~` where a value holds the text, upper and
  lower case alike. An id (`id`, `sweep`, `forked_from`, `commit`) is the same as the text that it begins with, also
  in upper case.
- `like` holds where a whole value fits a pattern, of which `%` is any letters and `_` any one letter; `ilike` takes
  upper and lower case alike. Only MLflow's grammar writes them.
- `!=`, `!~` and `not in` are exactly `not` of these: they hold for a run that has no value, too.
- `<`, `<=`, `>`, `>=` compare numbers with numbers, and moments with moments. They hold for no run without a value.
- None stands for no value: `worker = none`.
- A parameter is a number where it is a number, or a text that reads as a finite one; `true` and `false` are no numbers.
  It is a text as well: a text as it stands, everything else as JSON writes it. A number in the filter is compared with
  the number, a text or a truth value with the text.
- A duration is in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

#: `unknown`: a bare name that is no column; `resolve` says which of the others it is. `dataset`: the `name`, `digest`
#: or `context` of the data sets that the run says it used, as many values as there are sets.
Kind = Literal["metric", "parameter", "tag", "column", "dataset", "unknown"]
#: What is asked of a metric. `step` is the step of the best.
Part = Literal["best", "last", "min", "max", "step", "last_step"]
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~", "in", "not in", "like", "ilike"]
Operand = float | str | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Field:
    """What a condition is about; `place` is where it stands in the text, from 0, and makes no difference."""

    kind: Kind
    name: str
    part: Part = "best"
    place: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Condition:
    """A field compared with one value; with several for `in` and `not in`."""

    field: Field
    operator: Operator
    values: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """A plain word, or a text in quotes: it stands in a run's name, id, notes, recipe, worker, tag or parameter.

    Of a parameter it stands in `key=value`. Upper and lower case are alike.
    """

    text: str


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Term


Term = Condition | Words | And | Or | Not


def walk(term: Term) -> Iterator[Condition | Words]:
    """Yield the conditions and words of a tree, from left to right."""
    match term:
        case And(parts) | Or(parts):
            for part in parts:
                yield from walk(part)
        case Not(part):
            yield from walk(part)
        case _:
            yield term


def all_of(parts: Iterable[Term]) -> Term:
    """Return the parts joined by `and`: one part alone is itself, an `and` inside is taken apart."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, And) else (part,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(parts: Iterable[Term]) -> Term:
    """Return the parts joined by `or`, as `all_of` does for `and`."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Or) else (part,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
