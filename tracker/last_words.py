"""The last line of a process: what ended it, and what to do about it. None ends without one."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from keepbest.errors import KeepbestError

_log = logging.getLogger("tracker")


def call(name: str, act: Callable[[], int]) -> int:
    """Return the exit status of `act`; whatever ends it instead, a thread's end too, is said on standard error."""
    threading.excepthook = tell_thread
    try:
        return act()
    except KeepbestError as error:
        _say(f"{error.message}\n{error.hint or ''}")
    except SystemExit as error:
        if error.code in (None, 0):
            return 0
        _say(f"{name} ended with {error.code}.\nThe lines before say why; start it again once that is mended.")
    except KeyboardInterrupt:
        _say(f"{name} was interrupted from the keyboard.")
        return 130
    except BaseException as error:  # a fault of our own: its traceback, then the line that people read
        _log.exception("%s met an error of its own.", name)
        _say(f"{name} ended: {type(error).__name__}: {error}\nStart it again; the traceback above belongs in a report.")
    return 1


def tell_thread(told: threading.ExceptHookArgs) -> None:
    """Log what ended a thread."""
    name = told.thread.name if told.thread is not None else "?"
    if told.exc_type is not SystemExit and told.exc_value is not None:
        _log.error("The thread %r ended.", name, exc_info=(told.exc_type, told.exc_value, told.exc_traceback))


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
