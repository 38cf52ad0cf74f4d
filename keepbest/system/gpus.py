"""GPUs: what keepbest reads of them, through one small interface. NVIDIA's library fills it where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

#: A machine with more GPUs shows the first ones.
MAX_GPUS = 16
_BYTES, _MILLIWATTS = 2**20, 1000


@dataclass(frozen=True, slots=True)
class GpuReading:
    """What one GPU does now; None where the GPU does not tell."""

    percent: float | None = None
    memory_mb: float | None = None
    power_watts: float | None = None
    temperature_celsius: float | None = None


class Gpus(Protocol):
    """The GPUs of this machine, in the order of their numbers."""

    def list_names(self) -> Sequence[str]: ...

    def read(self) -> Sequence[GpuReading]: ...


class NoGpus:
    """For a machine without a GPU that keepbest can read."""

    def list_names(self) -> Sequence[str]:
        """Return no name."""
        return ()

    def read(self) -> Sequence[GpuReading]:
        """Return no reading."""
        return ()


class NvidiaGpus:
    """The GPUs that NVIDIA's library `pynvml` shows; `visible` are the numbers of those to read, None for all."""

    def __init__(self, library: Any, visible: Sequence[int] | None = None) -> None:
        self._library = library
        there = range(library.nvmlDeviceGetCount())
        numbers = there if visible is None else [number for number in visible if number in there]
        self._handles = [library.nvmlDeviceGetHandleByIndex(number) for number in numbers[:MAX_GPUS]]

    def list_names(self) -> Sequence[str]:
        """Return the name of each GPU, such as `NVIDIA H200`."""
        names = []
        for handle in self._handles:
            with suppress(self._library.NVMLError):
                names.append(self._library.nvmlDeviceGetName(handle))
        return [name.decode() if isinstance(name, bytes) else str(name) for name in names]

    def read(self) -> Sequence[GpuReading]:
        """Read every GPU now."""
        return [self._read(handle) for handle in self._handles]

    def _read(self, handle: Any) -> GpuReading:
        library, read = self._library, dict[str, float]()
        with suppress(library.NVMLError):
            read["percent"] = float(library.nvmlDeviceGetUtilizationRates(handle).gpu)
        with suppress(library.NVMLError):
            read["memory_mb"] = library.nvmlDeviceGetMemoryInfo(handle).used / _BYTES
        with suppress(library.NVMLError):
            read["power_watts"] = library.nvmlDeviceGetPowerUsage(handle) / _MILLIWATTS
        with suppress(library.NVMLError):
            read["temperature_celsius"] = float(
                library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU),
            )
        return GpuReading(**read)


def find_gpus(visible: Sequence[int] | None = None) -> Gpus:
    """Return the GPUs of this machine: none without NVIDIA's library, its driver or a device."""
    try:
        import pynvml
    except ImportError:
        return NoGpus()
    try:
        pynvml.nvmlInit()
        return NvidiaGpus(pynvml, visible)
    except Exception:  # no driver, another driver's version, no permission: training goes on without these curves
        return NoGpus()
