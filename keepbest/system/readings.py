"""Reads what the machine and this process do, by psutil: a metric name and a number each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict

import psutil

from keepbest.contract.names import SYSTEM
from keepbest.system.gpus import Gpus

_MB = 2**20


class MachineReader:
    """Reads the machine; what counts up (time of the processor, bytes) is told since the reading before.

    Example:
        >>> from keepbest.system.gpus import NoGpus
        >>> reader = MachineReader(NoGpus())
        >>> sorted(reader.read())[:2]
        ['system/cpu_percent', 'system/memory_percent']
    """

    def __init__(self, gpus: Gpus, clock: Callable[[], float] = time.monotonic) -> None:
        self._gpus = gpus
        self._clock = clock
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call has nothing to compare with, and tells 0
        psutil.cpu_percent()
        self._counted, self._counted_at = _count(), clock()

    def read(self) -> dict[str, float]:
        """Return every number that this machine tells now, by its metric name."""
        read = {**self._read_machine(), **dict(self._read_rates()), **dict(self._read_gpus())}
        return {f"{SYSTEM}{name}": value for name, value in read.items()}

    def _read_machine(self) -> dict[str, float]:
        with self._process.oneshot():
            return {
                "cpu_percent": psutil.cpu_percent(),
                "process_cpu_percent": self._process.cpu_percent(),
                "memory_percent": psutil.virtual_memory().percent,
                "process_memory_mb": self._process.memory_info().rss / _MB,
            }

    def _read_rates(self) -> Iterator[tuple[str, float]]:
        """Yield megabytes a second, of every counter that has been there before."""
        counted, now = _count(), self._clock()
        seconds = now - self._counted_at
        for name, count in counted.items():
            if name in self._counted and seconds > 0:
                yield f"{name}_mb_per_second", max(0.0, count - self._counted[name]) / seconds / _MB
        self._counted, self._counted_at = counted, now

    def _read_gpus(self) -> Iterator[tuple[str, float]]:
        for number, reading in enumerate(self._gpus.read()):
            for name, value in asdict(reading).items():
                if value is not None:
                    yield f"gpu{number}_{name}", value


def _count() -> dict[str, int]:
    """Return the bytes that the machine's disks and network have moved; a container may hide both."""
    counted = dict[str, int]()
    with suppress(OSError, NotImplementedError):
        if (disk := psutil.disk_io_counters()) is not None:
            counted |= {"disk_read": disk.read_bytes, "disk_write": disk.write_bytes}
    with suppress(OSError, NotImplementedError):
        if (network := psutil.net_io_counters()) is not None:
            counted |= {"network_received": network.bytes_recv, "network_sent": network.bytes_sent}
    return counted
