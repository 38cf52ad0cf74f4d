"""How many bytes of a large file are done, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keepbest.cli.common.output import is_terminal, progress_bars
from keepbest.figures import size


@contextmanager
def byte_bar(word: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows how many bytes are done, of how many; into a pipe goes nothing."""
    if not is_terminal():
        yield lambda done, total: None
        return
    with progress_bars() as bars:
        task = bars.add_task(word, total=None, words="")

        def tick(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None, words=f"{size(done)} of {size(total)}")

        yield tick
