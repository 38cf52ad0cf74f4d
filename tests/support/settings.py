"""The tables of docs/reference/settings.md as the code has them; `python -m tests.support.settings` prints them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keepbest.settings
import tracker.settings
import worker.settings


def variables() -> set[str]:
    """Return every KEEPBEST_ variable that a settings module reads."""
    return {row.split("`")[1] for table in tables() for row in table}


def tables() -> Iterator[list[str]]:
    """Yield the rows of the tables: everywhere, tracker, workers."""
    everywhere = {row.name for row in keepbest.settings.SETTINGS}
    yield [_row(row.name, row.default, row.help) for row in keepbest.settings.SETTINGS]
    own = [row for row in tracker.settings.SETTINGS if row.variable not in everywhere]
    yield [_row(row.variable, row.default, row.help) for row in own]
    yield [_row(row.name, row.default, row.help) for row in worker.settings.SETTINGS]


def _row(name: str, default: Any, meaning: str) -> str:
    shown = (
        str(default).lower() if isinstance(default, bool) else f"{default:g}" if isinstance(default, float) else default
    )
    code = f"`{shown}`" if str(shown) and " " not in str(shown) else shown
    return f"| `{name}` | {code} | {meaning.replace('<dir>', '`<dir>`')} |"


if __name__ == "__main__":
    print("\n\n".join("\n".join(table) for table in tables()))
