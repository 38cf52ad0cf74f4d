"""A script's console, kept with its run: `init(capture=True)`.

File descriptors 1 and 2 are redirected to a process (`tee.py`), which copies the output to the old destination and to
the script. So keepbest records every printer: Python, native code, child processes. A script on a terminal still sees a
terminal. If both descriptors had one destination, as they mostly do, a single copy keeps their order.
"""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import select
import struct
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread, current_thread
from typing import Literal

from keepbest.contract.batches import LogLines
from keepbest.journal.output import MAX_OUTPUT_BYTES, PIECE_BYTES, Lines
from keepbest.settings import child_environment
from keepbest.tracking.process import tee
from keepbest.tracking.recorder import now

#: Lines wait so long for further lines of the same record.
TURN_SECONDS = 0.2
#: `close` waits so long for the last output.
END_SECONDS = 5.0
Stream = Literal["stdout", "stderr"]

_log = logging.getLogger("keepbest")
_living: list[Capture] = []
#: Copying processes that still serve children of the script. Python would warn if their objects were deleted.
_left: list[subprocess.Popen[bytes]] = []


class Console:
    """Records the output of this process as the log of a run, from construction to `close`."""

    def __init__(self, put: Callable[[LogLines], None], printed: int = 0) -> None:
        """`printed` is the number of bytes of the run's output that are already recorded.

        Raises OSError if the system does not allow the copy.
        """
        _flush()
        self._captures = list[Capture]()
        self._put, self._printed, self._lock = put, {"stdout": printed, "stderr": printed}, Lock()
        try:
            if _leads_to(1) == _leads_to(2):
                self._captures.append(Capture((1, 2), "stdout", self._take))
            else:
                self._captures.append(Capture((1,), "stdout", self._take))
                self._captures.append(Capture((2,), "stderr", self._take))
        except OSError:
            self.close()
            raise
        if not _prints_there():
            _log.warning("keepbest: Python's output does not go to this process's console, so it is not recorded.")

    def close(self) -> None:
        """Restore the console, after recording all output so far."""
        _flush()
        for capture in self._captures:
            capture.close()

    def _take(self, stream: Stream, text: str) -> None:
        with self._lock:
            self._put(LogLines(stream=stream, offset=self._printed[stream], text=text, at=now()))
            self._printed[stream] += len(text.encode())


class Capture:
    """One copy of the output of one or two descriptors with the same destination."""

    def __init__(self, descriptors: tuple[int, ...], stream: Stream, take: Callable[[Stream, str], None]) -> None:
        self._stream, self._take, self._descriptors = stream, take, descriptors
        self._real = os.dup(descriptors[0])
        source, inlet = _open_like(self._real)
        self._record, record = os.pipe()
        control, self._control = os.pipe()
        try:
            self._copier = _start_copier(source, record, control, self._real)
            self._place = _leads_to(inlet)
            for descriptor in descriptors:
                os.dup2(inlet, descriptor)
        except OSError:
            for descriptor in (self._real, self._record, self._control):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (source, inlet, record, control):
                os.close(descriptor)
        self._lock, self._is_ending = Lock(), False
        _living.append(self)
        self._thread = Thread(target=self._read, name=f"keepbest-console-{stream}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Restore the descriptors, unless other code has redirected them since, and record the last output."""
        self._is_ending = True
        self._put_back()
        with self._lock, suppress(OSError):
            os.write(self._control, b".")
        if self._thread is not current_thread():
            self._thread.join(END_SECONDS)

    def forget(self) -> None:
        """Close the descriptors that only the parent needs, in a forked child: it prints on and records nothing."""
        for descriptor in (self._control, self._record):
            with suppress(OSError):
                os.close(descriptor)

    def _put_back(self) -> None:
        with self._lock:
            if self not in _living:
                return
            _living.remove(self)
            for descriptor in self._descriptors:
                with suppress(OSError):
                    if _leads_to(descriptor) == self._place:
                        os.dup2(self._real, descriptor)
            os.close(self._real)

    def _read(self) -> None:
        """Record the output, in this capture's thread."""
        lines, came, texts = Lines(), 0, list[str]()
        poll, recorded_at = select.poll(), time.monotonic()
        poll.register(self._record, select.POLLIN)
        while True:
            if poll.poll(TURN_SECONDS * 1000):
                piece = os.read(self._record, PIECE_BYTES)
                if not piece:
                    break
                came += len(piece)
                texts += lines.add(piece)
            if texts and time.monotonic() - recorded_at >= TURN_SECONDS:
                recorded_at = time.monotonic()
                texts = self._record_texts(texts)
        more = [f"keepbest: only the first {MAX_OUTPUT_BYTES >> 20} MB of this output are kept.\n"]
        self._record_texts(texts + lines.rest() + (more if came >= MAX_OUTPUT_BYTES else []))
        self._leave()

    def _record_texts(self, texts: list[str]) -> list[str]:
        """Record the texts, small ones together, and return an empty list."""
        waiting = ""
        for text in texts:
            if waiting and len(waiting) + len(text) > PIECE_BYTES:
                self._take(self._stream, waiting)
                waiting = ""
            waiting += text
        if waiting:
            self._take(self._stream, waiting)
        return []

    def _leave(self) -> None:
        """Clean up after the copy has ended; if another process ended it, first restore the descriptors."""
        if not self._is_ending:
            self._put_back()
            _log.warning("keepbest: another process ended the copy of the console: further output is not recorded.")
        with self._lock:
            os.close(self._record)
            os.close(self._control)
            self._control = -1
        try:
            self._copier.wait(TURN_SECONDS)
        except subprocess.TimeoutExpired:
            _left.append(self._copier)


def _start_copier(source: int, record: int, control: int, real: int) -> subprocess.Popen[bytes]:
    """Start the copy in its own session: a signal to the script's process group must not end it before the script."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(tee.__file__)), *map(str, (source, record, control, MAX_OUTPUT_BYTES))],
        env=child_environment(KEEPBEST_TOKEN=None),
        stdin=subprocess.DEVNULL,
        stdout=real,
        stderr=subprocess.DEVNULL,
        pass_fds=(source, record, control),
        start_new_session=True,
    )


def _open_like(real: int) -> tuple[int, int]:
    """Return a readable and a writable descriptor: a pseudo-terminal if `real` is a terminal, else a pipe."""
    if not os.isatty(real):
        return os.pipe()
    source, inlet = os.openpty()
    tty.setraw(inlet, termios.TCSANOW)  # the real terminal translates the characters
    with suppress(OSError):
        size = fcntl.ioctl(real, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        fcntl.ioctl(inlet, termios.TIOCSWINSZ, size)
    return source, inlet


def _leads_to(descriptor: int) -> tuple[int, int, int]:
    stat_result = os.fstat(descriptor)
    return stat_result.st_dev, stat_result.st_ino, stat_result.st_rdev


def _prints_there() -> bool:
    """Whether Python's stdout is the process's stdout; a notebook sends the output of its cells elsewhere."""
    try:
        return sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _flush() -> None:
    """Flush the output buffers of Python and C."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).fflush(None)


def _forget_in_child() -> None:
    for capture in _living:
        capture.forget()
    _living.clear()


os.register_at_fork(after_in_child=_forget_in_child)
