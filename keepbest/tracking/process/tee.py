"""A separate program: copies a script's output to the output's old destination and to the script.

    python -I -S tee.py SOURCE RECORD CONTROL LIMIT

SOURCE, RECORD and CONTROL are file descriptors; the copy goes to stdout. A thread of the script could not do this:
while native code prints and holds the interpreter lock, thread and native code would wait for each other. A script that
reads RECORD slowly, or never, blocks nothing: this program buffers the record, LIMIT bytes in all. A byte from CONTROL
ends the record. The copy goes on as long as any process prints, such as a child of the script.
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
    """The output that the script has not read yet."""

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
        """Send as much as the script takes now."""
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
        """Send the rest, however long the script takes to read it, and end the record."""
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
    """Copy until no process holds the source open for printing."""
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
    """Copy one piece; return whether more may follow."""
    try:
        piece = os.read(source, PIECE)
    except BlockingIOError:
        return True
    except OSError:  # a terminal raises when no process holds its other side
        return False
    write(piece)
    record.add(piece)
    return bool(piece)


def write(piece: bytes) -> None:
    """Write to the old destination. If no process reads it any more, the record goes on."""
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
        signal.signal(number, signal.SIG_IGN)  # this program ends after the last process that prints
    copy(*(int(argument) for argument in sys.argv[1:5]))
