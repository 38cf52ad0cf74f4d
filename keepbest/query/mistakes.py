"""A mistake in a filter: what is wrong, where, and what is right."""

from __future__ import annotations

from keepbest.errors import InvalidInput

#: Characters of a long filter that are shown on each side of the place.
SHOWN = 60


def mistake(text: str, place: int, message: str, hint: str | None = None) -> InvalidInput:
    """Return the error for one place of a filter: the message, the column, and the text with a caret under it.

    Args:
        text: The whole filter.
        place: Where the mistake is, from 0; the column that people read counts from 1.
        message: What is wrong, without a full stop.
        hint: The nearest right name, or an example.
    """
    begin, end = max(0, place - SHOWN), place + SHOWN
    shown = "".join(letter if letter.isprintable() else " " for letter in text[begin:end])
    marked = f"{message} (column {place + 1} of the filter):\n  {shown}\n  {' ' * (place - begin)}^"
    return InvalidInput(marked, field="q", hint=hint)
