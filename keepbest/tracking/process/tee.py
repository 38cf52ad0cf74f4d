"""A program of its own, run by its path: copies what a script prints to where that went before, and to the script.

    python -I -S tee.py SOURCE RECORD CONTROL LIMIT

SOURCE, RECORD and CONTROL are file descriptors, the copy goes to stdout. It is a process because a thread of the
script could not copy while native code prints and holds the interpreter: both would wait for ever. A script that reads
RECORD slowly, or not at all, holds nothing up: what waits for it is held here, LIMIT bytes in all are recorded. A byte
from CONTROL ends the record, not the copy, which goes on for as long as somebody prints: a child of the script, say.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import sys
from contextlib import suppress

PIECE = 65536
STDOUT = 1


class PendingOutput:
    """What the script is to get, and does not have yet."""

    def __init__(self, descriptor: int, limit: int, watched: selectors.BaseSelector) -> None:
        self._descriptor, self._left, self._watched = descriptor, limit, watched
        self._waiting = bytearray()
        self.is_open = True
        os.set_blocking(descriptor, False)

    def add(self, piece: bytes) -> None:
        if not self.is_open:
            return
        was_empty = not self._waiting
        self._waiting += piece[: self._left]
        self._left -= min(self._left, len(piece))
        if was_empty and self._waiting:
            self._watched.register(self._descriptor, selectors.EVENT_WRITE)

    def send(self) -> None:
        """Send what the script takes now."""
        try:
            del self._waiting[: os.write(self._descriptor, self._waiting[:PIECE])]
        except BlockingIOError:
            return
        except OSError:  # the script is gone
            self._waiting.clear()
            self.close()
            return
        if not self._waiting:
            self._watched.unregister(self._descriptor)

    def close(self) -> None:
        """Send what waits, however long the script takes to read it, and end the record."""
        if not self.is_open:
            return
        self.is_open = False
        with suppress(KeyError):
            self._watched.unregister(self._descriptor)
        os.set_blocking(self._descriptor, True)
        with suppress(OSError):
            while self._waiting:
                del self._waiting[: os.write(self._descriptor, self._waiting)]
        os.close(self._descriptor)


def copy(source: int, descriptor: int, control: int, limit: int) -> None:
    """Copy until nobody can print any more."""
    with selectors.DefaultSelector() as watched:
        record = PendingOutput(descriptor, limit, watched)
        os.set_blocking(source, False)
        watched.register(source, selectors.EVENT_READ)
        watched.register(control, selectors.EVENT_READ)
        is_living = True
        while is_living:
            ready = [key.fd for key, _ in watched.select()]
            if source in ready:
                is_living = pass_on(source, record)
            if control in ready:
                watched.unregister(control)
                while is_living and select.select([source], [], [], 0)[0]:
                    is_living = pass_on(source, record)
                record.close()
            elif descriptor in ready and record.is_open:
                record.send()
        record.close()


def pass_on(source: int, record: PendingOutput) -> bool:
    """Copy one piece; return whether there may be more."""
    try:
        piece = os.read(source, PIECE)
    except BlockingIOError:
        return True
    except OSError:  # how a terminal says that nobody holds its other side
        return False
    write(piece)
    record.add(piece)
    return bool(piece)


def write(piece: bytes) -> None:
    """Write to where the script printed before; when nobody reads that any more, the record goes on."""
    rest = memoryview(piece)
    while rest:
        try:
            rest = rest[os.write(STDOUT, rest) :]
        except BlockingIOError:
            select.select([], [STDOUT], [])
        except OSError:
            return


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # it ends when the last that prints has ended
    copy(*(int(argument) for argument in sys.argv[1:5]))
