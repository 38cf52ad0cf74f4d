"""The last line that a process prints: what ended it, and what to do next."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from keepbest.errors import KeepbestError

_log = logging.getLogger("tracker")


def call(name: str, act: Callable[[], int]) -> int:
    """Run `act` and return its exit status. An exception is printed on standard error; one in a thread is logged."""
    threading.excepthook = log_thread_end
    try:
        return act()
    except KeepbestError as error:
        _print(f"{error.message}\n{error.hint or ''}")
    except SystemExit as error:
        if error.code in (None, 0):
            return 0
        _print(f"{name} ended with {error.code}.\nThe lines before say why; start it again once that is mended.")
    except KeyboardInterrupt:
        _print(f"{name} was interrupted from the keyboard.")
        return 130
    except BaseException as error:  # a fault of our own: its traceback, then the line that people read
        _log.exception("%s met an error of its own.", name)
        report = "Start it again; the traceback above belongs in a report."
        _print(f"{name} ended: {type(error).__name__}: {error}\n{report}")
    return 1


def log_thread_end(ended: threading.ExceptHookArgs) -> None:
    """Log the exception that ended a thread."""
    name = ended.thread.name if ended.thread is not None else "?"
    if ended.exc_type is not SystemExit and ended.exc_value is not None:
        _log.error("The thread %r ended.", name, exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))


def _print(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
