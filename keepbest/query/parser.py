"""The language of filters: `params.learning_rate < 1e-3 and val_accuracy > 0.98 and tag = vision and state = finished`.

Words without a comparison look for substrings. What stands side by side must hold together, as with `and`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keepbest.query.lexer import FilterToken
from keepbest.query.moments import names_day
from keepbest.query.names import read_name
from keepbest.query.reader import Reader, read
from keepbest.query.terms import Condition, Field, Not, Operator, Term, Words, all_of
from keepbest.query.values import ORDER, WrittenValue, check_operator, kind_of, read_value, to_number

#: Other ways to write an operator.
SIGNS: dict[str, Operator] = {
    "=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "~": "~", "!~": "!~",
}  # fmt: skip


def parse(text: str, now: datetime) -> Term | None:
    """Return the tree of a filter; None for an empty one.

    Args:
        text: The filter, of at most 2,000 characters.
        now: The present moment, from which `2 days ago` counts.

    Raises:
        InvalidInput: The text is no filter. The message says the column and shows the place; `field` is `q`.

    Names that are no column keep the kind `unknown`; `keepbest.query.resolve` says what they are.
    """
    return read(text, lambda reader: _read_condition(reader, now))


def _read_condition(reader: Reader, now: datetime) -> Term:
    name = reader.advance()
    if name.kind not in ("word", "text"):
        reader.fail(name.start, f"A name is missing in front of {name.text!r}", "For example: val_loss < 0.1")
    operator = _take_operator(reader)
    if operator is None:
        _refuse_list(reader, name)
        return Words(name.value)
    if operator in ORDER and to_number(name.text) is not None:
        reader.fail(
            name.start, f"A name stands in front of {operator}, not {name.text}", "val_loss > 0.1 and val_loss < 0.2"
        )
    field = _read_field(reader, name)
    check_operator(reader, field, operator, reader.look(-1).start)
    if operator in ("in", "not in"):
        values = _read_list(reader, field, operator, now)
        return Condition(field, operator, tuple(written.value for written in values))
    written = read_value(reader, field, operator, now)
    if kind_of(field) == "time" and operator in ("=", "!=") and written.value is not None:
        return _is_on_day(reader, field, operator, written)
    return Condition(field, operator, (written.value,))


def _take_operator(reader: Reader) -> Operator | None:
    """Take the comparison behind a name; None where the name is a plain word."""
    if reader.next.is_sign(*SIGNS):
        return SIGNS[reader.advance().text]
    if reader.next.is_word("in") and reader.look(1).is_sign("("):
        reader.advance()
        return "in"
    if reader.next.is_word("not") and reader.look(1).is_word("in") and reader.look(2).is_sign("("):
        reader.advance()
        reader.advance()
        return "not in"
    return None


def _refuse_list(reader: Reader, name: FilterToken) -> None:
    """Refuse `state in failed`, which nobody means as three plain words."""
    is_column = name.kind == "word" and read_name(name.text).kind == "column"
    if is_column and (reader.next.is_word("in") or (reader.next.is_word("not") and reader.look(1).is_word("in"))):
        reader.fail(
            reader.next.start, "A list in parentheses was expected behind in", f"{name.text} in (first, second)"
        )


def _read_field(reader: Reader, name: FilterToken) -> Field:
    field = read_name(name.value if name.kind == "text" else name.text, name.start, is_quoted=name.kind == "text")
    is_whole_tag = field.kind == "tag" and "." not in name.text
    if not field.name and not is_whole_tag:
        reader.fail(name.end - 1, "A name is missing behind the dot", "For example: params.learning_rate")
    return field


def _read_list(reader: Reader, field: Field, operator: Operator, now: datetime) -> list[WrittenValue]:
    begin = reader.advance().start
    values = list[WrittenValue]()
    while True:
        if values:
            reader.count_term(reader.next.start)
        values.append(read_value(reader, field, operator, now))
        if reader.take_sign(")"):
            return values
        if not reader.take_sign(","):
            if reader.next.kind == "end":
                reader.fail(begin, "This list is not closed", f"{field.name} in (first, second)")
            reader.fail(reader.next.start, f"A comma or ) was expected, but here is {reader.next.text!r}")


def _is_on_day(reader: Reader, field: Field, operator: Operator, written: WrittenValue) -> Term:
    """A moment is the same as a day where it lies in it: hardly any is the same as a moment."""
    if not isinstance(written.value, datetime) or not names_day(written.words):
        reader.fail(written.place, f"{operator} wants a day, but got {written.words!r}", f"{field.name} = yesterday")
    begin, end = written.value, written.value + timedelta(days=1)
    inside = all_of([Condition(field, ">=", (begin,)), Condition(field, "<", (end,))])
    return Not(inside) if operator == "!=" else inside
