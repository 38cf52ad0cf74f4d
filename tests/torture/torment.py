"""Who is killed, when, and how long it stays away: drawn from a seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from tests.torture.house import WORKERS, House

Victim = Literal["tracker", "trainer", "agent", "scheduler"]

#: How often each is chosen. A killed tracker costs a second, a killed trainer or agent an import of TensorFlow.
WEIGHTS: dict[Victim, int] = {"tracker": 5, "trainer": 3, "agent": 3, "scheduler": 1}
#: Most kills wait until something trains: importing takes longer than training, and would be hit most of the time.
IN_TRAINING = 0.75
LONGEST_DELAY_SECONDS = 4.0
#: Longer than a lease, so that now and then one runs out.
LONGEST_REST_SECONDS = 5.0


@dataclass(frozen=True)
class Strike:
    """One kill as it is planned."""

    victim: Victim
    in_training: bool
    delay_seconds: float
    rest_seconds: float


def draw(chance: random.Random) -> Strike:
    """Return the next kill."""
    (victim,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
    in_training = victim != "scheduler" and chance.random() < IN_TRAINING
    rest = chance.uniform(0.0, LONGEST_REST_SECONDS) if chance.random() < 0.5 else 0.0
    return Strike(victim, in_training, chance.uniform(0.0, LONGEST_DELAY_SECONDS), rest)


@dataclass
class Torment:
    """Kills, one after another, as many as are left."""

    house: House
    seed: int
    left: int
    tell: Callable[[str], object] = print
    done: Counter[str] = field(default_factory=Counter)
    #: Since the present runs began.
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._began = time.monotonic()
        self._next = draw(self._chance)
        self._due: float | None = None

    def strike(self, training: bool, state: str) -> None:
        """Kill somebody if it is time. `training`: whether a run trains just now; `state` is for the history."""
        now = time.monotonic()
        if self._due is None and (training or not self._next.in_training):
            self._due = now + self._next.delay_seconds
        if not self.left or self._due is None or now < self._due or not self._kill(self._next):
            return
        self.left -= 1
        self.done[self._next.victim] += 1
        said = f"+{now - self._began:7.1f} s  kill -9 {self._next.victim:<9}  {state}"
        self.history.append(said)
        self.tell(said)
        self._next, self._due = draw(self._chance), None

    def _kill(self, strike: Strike) -> bool:
        if strike.victim == "trainer":
            return self._kill_trainer()
        name = self._chance.choice(WORKERS) if strike.victim == "agent" else strike.victim
        return self.house.kill(name, strike.rest_seconds)

    def _kill_trainer(self) -> bool:
        for pid in sorted(self.house.trainers(), key=lambda _: self._chance.random()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False
