"""When silence means that a training hangs: tables of signs, and what a debugger and a long block change."""

from __future__ import annotations

import bdb
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from keepbest.tracking.process import heartbeat
from keepbest.tracking.process.heartbeat import Life, Phase, Sign, Watch

DAY = 86_400.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def watch_steps(seconds: float, pace: float, steps: int, build: float = 60.0) -> tuple[Watch, Clock]:
    """A training that was built, then made so many steps at that pace."""
    clock = Clock()
    watch = Watch(seconds, clock)
    clock.now += build
    for step in range(1, steps + 1):
        watch.see(Sign(step, Phase.STEADY))
        clock.now += pace
    clock.now -= pace if steps else 0.0
    return watch, clock


@pytest.mark.parametrize(
    ("seconds", "pace", "steps", "limit"),
    [
        (120, 0.01, 500, 120),  # quick steps: the setting
        (120, 30.0, 10, 600),  # slow steps: twenty of them
        (10, 0.1, 100, 10),
        (120, 0.01, 0, 1800),  # nothing yet: a model is built
        (120, 0.01, 2, 1800),  # the pace is not known yet
        (7200, 0.01, 0, 7200),
        (0, 0.01, 500, DAY),  # switched off
    ],
)
def test_the_silence_that_is_too_long(seconds: float, pace: float, steps: int, limit: float) -> None:
    build = 0.0 if not steps else 60.0
    watch, clock = watch_steps(seconds, pace, steps, build)
    clock.now += limit - 0.5
    assert watch.silence is None
    clock.now += 1.0
    assert (watch.silence is not None) == (limit != DAY)


def test_a_sign_ends_the_silence_and_a_long_build_is_no_pace() -> None:
    watch, clock = watch_steps(10, 0.1, 5, build=900.0)
    clock.now += 11
    assert watch.silence == pytest.approx(11)
    watch.see(Sign(6, Phase.STEADY))
    assert watch.silence is None


def test_what_may_take_long_has_half_an_hour() -> None:
    watch, clock = watch_steps(10, 0.1, 50)
    watch.see(Sign(50, Phase.LONG))
    clock.now += 1799
    assert watch.silence is None
    clock.now += 2
    assert watch.silence is not None


def test_who_is_debugged_is_not_judged() -> None:
    watch, clock = watch_steps(10, 0.1, 50)
    watch.see(Sign(50, Phase.UNWATCHED))
    clock.now += DAY
    assert watch.silence is None
    watch.see(Sign(50, Phase.UNWATCHED))
    watch.see(Sign(50, Phase.STEADY))
    assert watch.silence is None


def test_signs_cross_by_the_folder(tmp_path: Path) -> None:
    assert heartbeat.read(tmp_path) is None
    for sign in (Sign(0, Phase.STEADY), Sign(2**40, Phase.LONG), Sign(3, Phase.UNWATCHED)):
        heartbeat.write(tmp_path, sign)
        assert heartbeat.read(tmp_path) == sign
    for spoiled in (b"", b"short", b"\xff" * 16, b"\0" * 17):
        (tmp_path / heartbeat.NAME).write_bytes(spoiled)
        assert heartbeat.read(tmp_path) is None
    heartbeat.write(tmp_path / "gone", Sign(1, Phase.STEADY))


def test_what_the_training_thread_says() -> None:
    training = Life()
    training.beat()
    assert training.sign == Sign(1, Phase.STEADY)
    with training.slowly(), training.slowly():
        assert training.sign == Sign(1, Phase.LONG)
    assert training.sign == Sign(3, Phase.STEADY)  # the end of a long block is a sign too
    training.is_over = True
    assert training.sign == Sign(3, Phase.UNWATCHED)


def test_a_debugger_at_its_prompt_is_noticed() -> None:
    seen: list[bool] = []

    class Debugger(bdb.Bdb):
        def user_line(self, frame: object) -> None:
            seen.append(heartbeat.is_debugged())
            self.set_quit()

    traced = sys.gettrace()
    try:
        with suppress(bdb.BdbQuit):
            Debugger().runcall(lambda: sum([1, 2]))
    finally:
        sys.settrace(traced)  # a debugger that quits takes away whatever traces, `make coverage` too
    assert seen == [True]
