"""How this process ends, as far as Python tells it to nobody who cleans up: by an exit code, or by SIGTERM.

After an uncaught error `sys.last_value` holds it. An exit code is known to nobody at that time, and SIGTERM ends a
process at once, with all that it holds. So `watch` has the first noted, and makes the second an exception of the main
thread: what was found best goes to the disk, the run is told its end, its lease is given back.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import current_thread, main_thread
from types import FrameType
from typing import Any, NoReturn

_TERMINATED = 128 + signal.SIGTERM
_INTERRUPTED = 128 + signal.SIGINT

#: How Python reads `SystemExit.code`.
_EXIT_CODE: Any = SystemExit.__dict__["code"]

_noted: BaseException | None = None
_heralds: list[Callable[[], object]] = []
#: How many writers and ends must not be broken off now; SIGTERM waits for them.
_shields = 0


class Terminated(SystemExit):
    """Somebody ended the process by SIGTERM."""


def watch() -> None:
    """Have `find_cause` know of what comes. A handler that the script has for SIGTERM stays."""
    if sys.exit is not _exit:
        _note_codes()
        atexit.register(end_in_peace)
    if current_thread() is main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def shielded() -> Iterator[None]:
    """Have SIGTERM wait for the end of the block: what is written and said in it is what a process ends for."""
    global _shields
    _shields += 1
    try:
        yield
    finally:
        _shields -= 1
    if not _shields and isinstance(_noted, Terminated):
        raise _noted


def announce(call: Callable[[], object]) -> None:
    """Have `call` called as soon as SIGTERM comes, before anything is written or sent."""
    _heralds.append(call)


def hush(call: Callable[[], object]) -> None:
    """Have `call` not called any more."""
    with suppress(ValueError):
        _heralds.remove(call)


def find_cause(*, is_broken_off: bool = False) -> BaseException | None:
    """Return what ends the interpreter, or None where the script came to its end.

    At a prompt, and in a notebook, errors end nothing: there the last one counts only where it broke something off.
    """
    if _noted is not None:
        return _noted
    return getattr(sys, "last_value", None) if is_broken_off or not _is_interactive() else None


def as_known(error: BaseException | None) -> BaseException | None:
    """Return what an exit code stands for: that of a shell's signals, or success, which is no error."""
    if not isinstance(error, SystemExit) or isinstance(error, Terminated):
        return error
    if error.code == _TERMINATED:
        return Terminated(error.code)
    if error.code == _INTERRUPTED:
        return KeyboardInterrupt()
    return error if error.code else None


def _note_codes() -> None:
    """Have an exit code noted where the interpreter itself reads it, which is where nobody caught the exception.

    It reads `SystemExit.code`, and tells nobody. The class is Python's own, so its dict is changed behind it; and
    before Python 3.12 there is no exception to read where `sys.exit` itself raised it.
    """
    sys.exit = _exit
    attributes: dict[str, Any] = gc.get_referents(SystemExit.__dict__)[0]
    attributes["code"] = property(_read_code, _EXIT_CODE.__set__, _EXIT_CODE.__delete__)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(SystemExit))


def _exit(status: object = None, /) -> NoReturn:
    raise SystemExit(status)


def _read_code(error: SystemExit) -> Any:
    code = _EXIT_CODE.__get__(error)
    is_last = sys._getframe().f_back is None and current_thread() is main_thread()  # nobody's code runs any more
    if is_last and not isinstance(error, Terminated):
        _note(SystemExit(code))
    return code


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough; who cannot wait sends SIGKILL
    for call in tuple(_heralds):
        with suppress(Exception):
            call()
    error = Terminated(_TERMINATED)
    _note(error)
    if not _shields:
        raise error


def end_in_peace() -> None:
    """Have SIGTERM ignored from here on, for the process ends: a notebook's kernel gets it meanwhile."""
    global _shields
    _shields += 1


def _note(error: BaseException) -> None:
    global _noted
    _noted = error


def _is_interactive() -> bool:
    return hasattr(sys, "ps1") or "ipykernel" in sys.modules


def _forget_in_child() -> None:
    """A forked child has no run of its own: it ends as before."""
    _heralds.clear()
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget_in_child)
