"""The machine's curves: what is read, how often, and of which GPUs."""

from __future__ import annotations

from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from keepbest.system.gpus import GpuReading, NoGpus, NvidiaGpus
from keepbest.system.readings import MachineReader
from keepbest.system.sampler import SHARE, Sampler, choose_pause
from tests.support.processes import PATIENCE


class FakeLibrary:
    """NVIDIA's library with two GPUs; the second tells no power."""

    class NVMLError(Exception):
        pass

    NVML_TEMPERATURE_GPU = 0

    def nvmlDeviceGetCount(self) -> int:  # the library's names
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetName(self, handle: int) -> bytes:
        return f"GPU {handle}".encode()

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=50 + handle)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(used=2**30)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:
        if handle:
            raise self.NVMLError
        return 250_500

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:
        return 60 + handle


def test_gpus_are_read_as_far_as_they_tell() -> None:
    gpus = NvidiaGpus(FakeLibrary())
    assert gpus.list_names() == ["GPU 0", "GPU 1"]
    assert gpus.read() == [GpuReading(50, 1024, 250.5, 60), GpuReading(51, 1024, None, 61)]


@pytest.mark.parametrize(("visible", "names"), [((1,), ["GPU 1"]), ((5, 0), ["GPU 0"]), ((), [])])
def test_only_visible_gpus_are_read(visible: tuple[int, ...], names: list[str]) -> None:
    assert NvidiaGpus(FakeLibrary(), visible).list_names() == names


def test_a_reading_has_a_number_for_each_curve() -> None:
    clock = iter([0.0, 2.0])
    read = MachineReader(NvidiaGpus(FakeLibrary()), lambda: next(clock)).read()
    assert {"system/cpu_percent", "system/process_memory_mb", "system/gpu0_power_watts"} <= set(read)
    assert "system/gpu1_power_watts" not in read
    assert all(name.startswith("system/") and value >= 0 for name, value in read.items())
    assert read["system/process_memory_mb"] > 1


@pytest.mark.parametrize(("before", "cost", "pause"), [(2, 0.001, 2.2), (15, 0.001, 15), (15, 0.06, 30), (2, 1, 500)])
def test_the_pause_grows_and_pays_for_the_cost(before: float, cost: float, pause: float) -> None:
    assert choose_pause(before, cost) == pytest.approx(pause)
    assert cost / choose_pause(before, cost) <= SHARE


def test_a_reading_costs_little() -> None:
    """At the longest pause: the part of a core that a reading takes is far below the budget."""
    import time

    reader = MachineReader(NoGpus())
    began = time.thread_time()
    for _ in range(20):
        reader.read()
    assert (time.thread_time() - began) / 20 < 15 * SHARE


def test_an_error_ends_the_sampling_and_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keepbest.system.sampler.FIRST_SECONDS", 0.0)
    called = Event()

    def sample() -> None:
        called.set()
        raise OSError("the disk is gone")

    sampler = Sampler(sample)
    sampler.start()
    assert called.wait(PATIENCE)
    sampler._thread.join(PATIENCE)
    assert "the system curves end here" in caplog.text
