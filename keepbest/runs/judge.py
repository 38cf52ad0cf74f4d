"""The stopper of a living run: its policy, its state, and the training time that a policy may ask for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from keepbest.errors import InvalidInput
from keepbest.stopping import AnyOf, Decision, Look, MaxSteps, Mode, Policy, State, build


class Judge:
    """Judges looks one after another. Its whole memory is `state()`: JSON that belongs into every snapshot."""

    def __init__(
        self,
        stopper: Mapping[str, Any],
        mode: Mode | None,
        max_steps: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stopper = stopper
        self._max_steps = max_steps
        self._clock = clock
        self._began = clock()
        self._policy: Policy | None = None
        self._state: State = {}
        if mode is not None:
            self.set_mode(mode)

    @property
    def policy(self) -> Policy:
        """The policy, with the run's max_steps in it; raises InvalidInput while the mode is not known."""
        if self._policy is None:
            raise InvalidInput(
                "It is not known which way the monitored metric gets better.",
                field="mode",
                hint="Say keepbest.init(mode='max') or mode='min'.",
            )
        return self._policy

    @property
    def seconds(self) -> float:
        """Training time so far, over all attempts of the run."""
        return self._clock() - self._began

    @property
    def decision(self) -> Decision | None:
        """The decision at the last look, or the one that stopped."""
        recorded = self._state.get("decision")
        return Decision.from_json(recorded) if recorded else None

    def set_mode(self, mode: Mode) -> None:
        """Say which way is better, before the first look."""
        if self._policy is not None:
            if self._policy.mode != mode:
                raise InvalidInput(f"This run's mode is {self._policy.mode!r}, not {mode!r}.", field="mode")
            return
        policy = build(self._stopper, mode)
        if self._max_steps is not None:
            policy = AnyOf(mode=mode, policies=(policy, MaxSteps(mode=mode, steps=self._max_steps)))
        self._policy, self._state = policy, policy.start()

    def observe(self, step: int, value: float | None, n: int | None = None, train: float | None = None) -> Decision:
        """Judge one look; without a value, the silence up to `step`."""
        look = Look(step=step, value=value, n=n, train=train, seconds=self.seconds)
        self._state, decision = self.policy.observe(self._state, look)
        return decision

    def deadline(self) -> int | None:
        """Return the step at which silence stops, or None."""
        return self._policy.deadline(self._state) if self._policy is not None else None

    def state(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        return {"policy": self._state, "seconds": self.seconds}

    def go_on_from(self, state: Mapping[str, Any], *, keep_seconds: bool = False) -> None:
        """Take up a state that `state()` returned; a roll back keeps the time that was really spent."""
        self.policy.deadline(state["policy"])  # raises PolicyError for another policy's state
        self._state = dict(state["policy"])
        if not keep_seconds:
            self._began = self._clock() - float(state["seconds"])

    def restart_patience(self, step: int) -> None:
        """Begin to wait anew at `step`, as a roll back may ask for; the best stays."""
        self._state = self.policy.restart_patience(self._state, step)
