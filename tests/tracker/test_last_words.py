"""What ends a process is said, whatever it was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from keepbest.errors import InvalidInput
from tracker import last_words


@pytest.fixture(autouse=True)
def hook() -> Iterator[None]:
    before = threading.excepthook
    yield
    threading.excepthook = before


def raising(error: BaseException) -> Callable[[], int]:
    def act() -> int:
        raise error

    return act


@pytest.mark.parametrize(
    ("act", "status", "words"),
    [
        (lambda: 0, 0, ""),
        (lambda: 3, 3, ""),
        (raising(SystemExit(0)), 0, ""),
        (raising(SystemExit(1)), 1, "The tracker ended with 1."),
        (raising(InvalidInput("The port is taken.", hint="Take another.")), 1, "The port is taken.\nTake another."),
        (raising(KeyboardInterrupt()), 130, "interrupted"),
        (raising(ZeroDivisionError("odd")), 1, "The tracker ended: ZeroDivisionError: odd"),
        (raising(MemoryError()), 1, "The tracker ended: MemoryError"),
    ],
)
def test_the_last_line(act: Callable[[], int], status: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert last_words.call("The tracker", act) == status
    said = capsys.readouterr().err
    assert words in said
    assert bool(said) == bool(words)


def test_a_thread_that_ends_is_named(caplog: pytest.LogCaptureFixture) -> None:
    def act() -> int:
        thread = threading.Thread(target=raising(ValueError("deep inside")), name="event tail")
        thread.start()
        thread.join()
        return 0

    assert last_words.call("The tracker", act) == 0
    assert "The thread 'event tail' ended." in caplog.text
    assert "deep inside" in caplog.text
