"""A script's console, kept with its run: `init(capture=True)`.

File descriptors 1 and 2 lead to a process (`tee.py`) that copies to where they led before, so that whatever prints is
heard: Python, native code, children. A terminal stays one for the script. Where both led to the same place, as mostly,
one copy keeps their order.
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

#: Lines wait this long for more.
TURN_SECONDS = 0.2
#: How long the end waits for what was printed last.
END_SECONDS = 5.0
Stream = Literal["stdout", "stderr"]

_log = logging.getLogger("keepbest")
_living: list[Capture] = []
#: Copies that go on for children which still print; kept, or Python would complain of them.
_left: list[subprocess.Popen[bytes]] = []


class Console:
    """Keeps what this process prints as the output of a run, from its making to `close`."""

    def __init__(self, put: Callable[[LogLines], None], printed: int = 0) -> None:
        """`printed` is how much of the run's output is recorded already.

        Raises OSError where the system lets no copy be made.
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
            _log.warning("keepbest: what Python prints does not go to this process's own console: it is not kept.")

    def close(self) -> None:
        """Have the console as it was; what was printed until now is put."""
        _flush()
        for capture in self._captures:
            capture.close()

    def _take(self, stream: Stream, text: str) -> None:
        with self._lock:
            self._put(LogLines(stream=stream, offset=self._printed[stream], text=text, at=now()))
            self._printed[stream] += len(text.encode())


class Capture:
    """One copy, of one or two descriptors that lead to the same place."""

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
        """Put the descriptors back, unless somebody else has led them elsewhere, and take what was printed last."""
        self._is_ending = True
        self._put_back()
        with self._lock, suppress(OSError):
            os.write(self._control, b".")
        if self._thread is not current_thread():
            self._thread.join(END_SECONDS)

    def forget(self) -> None:
        """In a forked child, which goes on printing and records nothing: let go what only its parent needs."""
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
        """Put what comes, in a thread of its own."""
        lines, came, texts = Lines(), 0, list[str]()
        poll, told_at = select.poll(), time.monotonic()
        poll.register(self._record, select.POLLIN)
        while True:
            if poll.poll(TURN_SECONDS * 1000):
                piece = os.read(self._record, PIECE_BYTES)
                if not piece:
                    break
                came += len(piece)
                texts += lines.add(piece)
            if texts and time.monotonic() - told_at >= TURN_SECONDS:
                told_at = time.monotonic()
                texts = self._tell(texts)
        more = [f"keepbest: only the first {MAX_OUTPUT_BYTES >> 20} MB of this are kept.\n"]
        self._tell(texts + lines.rest() + (more if came >= MAX_OUTPUT_BYTES else []))
        self._leave()

    def _tell(self, texts: list[str]) -> list[str]:
        """Put texts, small ones as one; return what is left of them: nothing."""
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
        """The copy has said its last: by our word, or because somebody ended it, and then nothing may print into it."""
        if not self._is_ending:
            self._put_back()
            _log.warning("keepbest: what copied the console was ended from outside: it is not kept from here on.")
        with self._lock:
            os.close(self._record)
            os.close(self._control)
            self._control = -1
        try:
            self._copier.wait(TURN_SECONDS)
        except subprocess.TimeoutExpired:
            _left.append(self._copier)


def _start_copier(source: int, record: int, control: int, real: int) -> subprocess.Popen[bytes]:
    """A session of its own: a signal to the script's group is not for the copy, which hears its last words."""
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
    """Return a readable and a writable descriptor; what is written is seen as on a terminal where `real` is one."""
    if not os.isatty(real):
        return os.pipe()
    source, inlet = os.openpty()
    tty.setraw(inlet, termios.TCSANOW)  # the real one does what is to be done
    with suppress(OSError):
        size = fcntl.ioctl(real, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        fcntl.ioctl(inlet, termios.TIOCSWINSZ, size)
    return source, inlet


def _leads_to(descriptor: int) -> tuple[int, int, int]:
    stat_result = os.fstat(descriptor)
    return stat_result.st_dev, stat_result.st_ino, stat_result.st_rdev


def _prints_there() -> bool:
    """Whether Python's own stdout is that of the process; a notebook sends its cells' output another way."""
    try:
        return sys.stdout.fileno() == 1
    except (AttributeError, OSError, ValueError):
        return False


def _flush() -> None:
    """Have what Python and C hold back written to where it was printed."""
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
