"""`python -m tests.torture --kills 20`: one run undisturbed, then runs under kill -9 until so many kills are done.

Each run must end as the undisturbed one did, to the last bit, lose nothing that was once there, and leave nothing
behind. What is killed is printed with its time; on a violation the folder stays.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keepbest.status import RunState
from tests.support.postgres import new_database, server_url
from tests.torture.house import POLL_SECONDS, WORKERS, House
from tests.torture.record import Record, differences, read_record
from tests.torture.remains import find_remains
from tests.torture.torment import Torment
from tests.torture.witness import Witness
from tracker import db

#: A best at nearly every validation, others in between, the last one always: checkpoints of every kind come and go.
SPEC: dict[str, Any] = {
    "monitor": "val_loss",
    "mode": "min",
    "stopper": {"name": "check_finite"},
    "retention": {"best": 2, "last": 1, "every_steps": 1000},
    "max_steps": 3000,
    "validate_every": 100,
    "max_attempts": 100,
}
CODE = Path(__file__).with_name("code")
ASK_SECONDS = 0.4
RUN_SECONDS = 900.0


class Torture:
    """The runs, two at a time, and what was found wrong with them."""

    def __init__(self, house: House, torment: Torment) -> None:
        self.house = house
        self.torment = torment
        self.runs: list[str] = []
        self._asked_at = 0.0

    def train_undisturbed(self) -> Record:
        """Return what every other run must leave."""
        (witness,) = self._train(1, is_disturbed=False)
        record = self._read(witness)
        assert record.end[0] == "finished", record.end
        assert not record.ghosts, "nobody disturbed it, and it has an abandoned tail"
        return record

    def go_on(self, expected: Record) -> list[str]:
        """Train the next runs under torment; return what is not as it should be."""
        self.torment.history.clear()
        return [problem for witness in self._train(len(WORKERS)) for problem in self._check(witness, expected)] + list(
            find_remains(self.house, self.runs)
        )

    def _check(self, witness: Witness, expected: Record) -> Iterator[str]:
        complaints = self.house.ask(lambda client: list(witness.complaints(client)))
        for problem in (*complaints, *differences(self._read(witness), expected)):
            yield f"run {witness.run}: {problem}"

    def _read(self, witness: Witness) -> Record:
        return self.house.ask(lambda client: read_record(client, self.house.service / "store", witness.run))

    def _train(self, count: int, *, is_disturbed: bool = True) -> list[Witness]:
        """Train so many runs to their end, looking on."""
        witnesses = [Witness(self.house.submit(CODE, "my_model.py:build", **SPEC)) for _ in range(count)]
        self.runs += [witness.run for witness in witnesses]
        deadline = time.monotonic() + RUN_SECONDS
        while not all(witness.now and witness.now.state.is_final for witness in witnesses):
            assert time.monotonic() < deadline, f"not over after {RUN_SECONDS:g} s: {_describe(witnesses)}"
            time.sleep(POLL_SECONDS)
            self.house.mend()
            self._watch(witnesses)
            if is_disturbed:
                is_training = any(one.now and one.now.state is RunState.RUNNING for one in witnesses)
                self.torment.strike(is_training, _describe(witnesses))
        return witnesses

    def _watch(self, witnesses: list[Witness]) -> None:
        """Ask about each run now and then, if the tracker answers."""
        if time.monotonic() - self._asked_at >= ASK_SECONDS:
            for witness in witnesses:
                self.house.try_to_ask(witness.ask)
            self._asked_at = time.monotonic()


def main(arguments: list[str] | None = None) -> int:
    """Return 0 where every invariant held."""
    asked = _parse(arguments)
    folder = Path(tempfile.mkdtemp(prefix="keepbest-torture-"))
    print(f"Seed {asked.seed}, {asked.kills} kills, on {asked.database}.", flush=True)
    with _database(asked.database) as url:
        problems = _torture(House(folder, url), asked)
    if problems:
        print(f"{len(problems)} violations; everything is in {folder}", flush=True)
        return 1
    shutil.rmtree(folder)
    return 0


def _torture(house: House, asked: argparse.Namespace) -> list[str]:
    began, problems, rounds = time.monotonic(), list[str](), 0
    torment = Torment(house, asked.seed, asked.kills, tell=lambda said: print(f"  {said}", flush=True))
    torture = Torture(house, torment)
    try:
        expected = torture.train_undisturbed()
        print(f"Undisturbed: {expected.end}", flush=True)
        while torment.left and not problems:
            rounds += 1
            problems = torture.go_on(expected)
            print(
                f"Round {rounds}: {len(torment.history)} kills, {torment.left} left, {len(problems)} problems",
                flush=True,
            )
    except AssertionError as error:
        problems = [str(error)]
    finally:
        house.close()
    problems += [f"still running after the end: {left}" for left in house.processes_left()]
    for line in (*torment.history, *problems) if problems else ():
        print(f"  {line}", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{torment.done.total()} kills {dict(torment.done)} in {len(torture.runs) - 1} runs, {minutes:.1f} minutes.")
    return problems


@contextmanager
def _database(kind: str) -> Iterator[str | None]:
    """Make a database of the kind; SQLite's the tracker makes itself."""
    if kind == "sqlite":
        yield None
        return
    with new_database() as url:
        db.upgrade(url)
        yield url


def _describe(witnesses: list[Witness]) -> str:
    return ", ".join(
        f"{one.run[:6]} {one.now.state.value} attempt {one.now.attempt} at {one.now.step or 0}"
        for one in witnesses
        if one.now
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    asked = parser.parse_args(arguments)
    if asked.database == "postgres" and server_url() is None:
        parser.error("no Postgres answers; name one in KEEPBEST_TEST_POSTGRES")
    return asked


if __name__ == "__main__":
    sys.exit(main())
