"""How this process ends: finds the exit code, and turns SIGTERM into an exception.

Python tells its exit handlers of an uncaught error (`sys.last_value`), but not of an exit code, and SIGTERM ends a
process at once. So `watch` notes the exit code, and raises an exception in the main thread on SIGTERM. keepbest can
then write the best state to disk, end the run and give its lease back.
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
#: Blocks that SIGTERM must not interrupt now.
_shields = 0


class Terminated(SystemExit):
    """SIGTERM ended the process."""


def watch() -> None:
    """Note exit codes and SIGTERM from now on for `find_cause`. A script's own handler of SIGTERM stays."""
    if sys.exit is not _exit:
        _note_codes()
        atexit.register(end_in_peace)
    if current_thread() is main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


@contextmanager
def shielded() -> Iterator[None]:
    """Delay SIGTERM until the end of the block."""
    global _shields
    _shields += 1
    try:
        yield
    finally:
        _shields -= 1
    if not _shields and isinstance(_noted, Terminated):
        raise _noted


def announce(call: Callable[[], object]) -> None:
    """Call `call` as soon as SIGTERM arrives, before anything is written or sent."""
    _heralds.append(call)


def hush(call: Callable[[], object]) -> None:
    """Undo `announce(call)`."""
    with suppress(ValueError):
        _heralds.remove(call)


def find_cause(*, is_broken_off: bool = False) -> BaseException | None:
    """Return the exception that ends the interpreter, or None if the script ran to its end.

    At a prompt and in a notebook an error does not end the process. There the last error counts only if
    `is_broken_off`: the error interrupted a fit.
    """
    if _noted is not None:
        return _noted
    is_interactive = hasattr(sys, "ps1") or "ipykernel" in sys.modules
    return getattr(sys, "last_value", None) if is_broken_off or not is_interactive else None


def as_known(error: BaseException | None) -> BaseException | None:
    """Return the signal that an exit code stands for, as an exception; None for success; another error unchanged."""
    if not isinstance(error, SystemExit) or isinstance(error, Terminated):
        return error
    if error.code == _TERMINATED:
        return Terminated(error.code)
    if error.code == _INTERRUPTED:
        return KeyboardInterrupt()
    return error if error.code else None


def _note_codes() -> None:
    """Note the exit code when the interpreter reads `SystemExit.code`: it does so if no code caught the exception.

    `SystemExit` is a built-in class, so only its underlying dict can be changed. `sys.exit` is replaced because before
    Python 3.12 the interpreter has no exception object to read if the original raised it.
    """
    sys.exit = _exit
    attributes: dict[str, Any] = gc.get_referents(SystemExit.__dict__)[0]
    attributes["code"] = property(_read_code, _EXIT_CODE.__set__, _EXIT_CODE.__delete__)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(SystemExit))


def _exit(status: object = None, /) -> NoReturn:
    raise SystemExit(status)


def _read_code(error: SystemExit) -> Any:
    code = _EXIT_CODE.__get__(error)
    is_last = sys._getframe().f_back is None and current_thread() is main_thread()  # no Python code runs any more
    if is_last and not isinstance(error, Terminated):
        _note(SystemExit(code))
    return code


def _terminate(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must be SIGKILL
    for call in tuple(_heralds):
        with suppress(Exception):
            call()
    error = Terminated(_TERMINATED)
    _note(error)
    if not _shields:
        raise error


def end_in_peace() -> None:
    """Ignore SIGTERM from now on, because the process ends: a notebook's server sends it to a kernel that stops."""
    global _shields
    _shields += 1


def _note(error: BaseException) -> None:
    global _noted
    _noted = error


def _forget_in_child() -> None:
    """Restore the default in a forked child, which has no run."""
    _heralds.clear()
    if signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget_in_child)
