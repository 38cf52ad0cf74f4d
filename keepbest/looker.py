"""What happens at a look and between looks, whoever trains: judge, keep the best, write it, record, obey commands.

It knows a run (`keepbest.runs.run.Run`, with or without a tracker behind it), a ring of snapshots and a store, and
nothing of Keras' callbacks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from keepbest.checkpoint import About, Manifest, Store, Writer, Written
from keepbest.checkpoint.keeper import Keeper
from keepbest.checkpoint.writer import Task
from keepbest.contract.commands import Command
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import KeepbestError, NotFound
from keepbest.runs.run import Run
from keepbest.snapshot import Ring, Variables, capture, roll_back
from keepbest.state import Position, State
from keepbest.status import CommandKind
from keepbest.stopping import Decision
from keepbest.stopping.look import is_better

#: A roll back to a checkpoint that is still being written waits for it this long.
WAIT_SECONDS = 30.0

_log = logging.getLogger("keepbest")


@dataclass(frozen=True)
class Jump:
    """Training went back to `state` and goes on from there in a new segment."""

    state: State
    segment: int
    command: str


class Looker:
    """Keeps one run's best. `begin` comes first, `look` at each validation, `obey` at each batch, `close` last."""

    def __init__(
        self,
        run: Run,
        store: Store | None,
        *,
        ring: Ring | None = None,
        retention: RetentionSpec | None = None,
        environment: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.run = run
        self.store = store
        self._retention = retention or run.retention
        self.ring = ring if ring is not None else Ring()
        self.stop: CommandKind | None = None
        self._environment = dict(environment or {})
        self._now = now
        self._variables: Variables | None = None
        self._network: str | None = None
        self._asked: dict[str, Command] = {}
        self._writer: Writer | None = None
        self._deadline: int | None = None
        self._keeper: Keeper | None = None
        #: The step of the state that was last handed to the writer.
        self._submitted_step = 0
        #: The segment that each state was taken in: a roll back branches off there, maybe behind the present one.
        self._segments: dict[str, int] = {}

    def begin(self, model: Any) -> None:
        """Take up `model` as it is now. The first reading is made here, where its tracing costs no step."""
        fresh = Variables(model)
        if self._variables is None or not fresh.are(self._variables):
            self._variables = fresh
            self._network = describe_network(model)
            capture(fresh, position=Position())
        if self._writer is None and self.store is not None:
            self._keeper = Keeper(self.store, self.run.id, self._retention)
            self._writer = self._make_writer(self.store)
        self._deadline = self.run.deadline()

    # Looks

    def look(
        self,
        position: Position,
        value: float | None,
        *,
        n: int | None = None,
        train: float | None = None,
        metrics: Mapping[str, Any] | None = None,
        epoch: float | None = None,
        seconds: float | None = None,
    ) -> Decision:
        """Judge a look, keep the state if it is the best so far, and record both."""
        before = self.run.decision
        decision = self.run.judge_look(position.step, value, n, train=train)
        kept = self._keep(position, value) if decision.improved and decision != before else None
        self.run.record_look(
            position.step,
            value,
            decision,
            n=n,
            metrics=metrics,
            epoch=epoch,
            seconds=seconds,
            snapshot=kept.id if kept else None,
            checkpoint=kept.id if kept and self.store is not None else None,
        )
        if kept is None and self._is_spaced(position.step):
            self.checkpoint(position, "last")
        self.run.report(step=position.step, epoch=epoch)
        self._deadline = self.run.deadline()
        return decision

    def is_due(self, step: int) -> bool:
        """Whether silence alone stops the run at `step`."""
        return self._deadline is not None and step >= self._deadline

    def judge_silence(self, step: int) -> Decision:
        """Have the stopper judge that training came to `step` without a look, and record a stop."""
        decision = self.run.judge_look(step, None)
        if decision.stop:
            self.run.record_look(decision.at_step, None, decision)
        return decision

    @property
    def best(self) -> tuple[int | None, float | None]:
        """Step and value of the best look so far."""
        policy = self.run.stopper_state()["policy"]
        return policy.get("best_step"), policy.get("best_value")

    def forgive(self, step: int) -> None:
        """Take back a stop that is already decided: training goes on from `step` with fresh patience."""
        decision = self.run.decision
        if decision is not None and decision.stop:
            self.run.judge.restart_patience(step)
            self._deadline = self.run.deadline()

    # Checkpoints

    def checkpoint(self, position: Position, kind: Literal["best", "last", "manual"]) -> State:
        """Hand the present state to the writer; return it at once."""
        state = self._capture(position)
        self._submit(state, kind, None)
        return state

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or given up; return whether that came in time."""
        return self._writer is None or self._writer.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `begin` starts another."""
        writer, self._writer = self._writer, None
        return writer is None or writer.close(deadline_seconds)

    # Going back

    def restore_best(self) -> State | None:
        """Put the best state back, variables and optimizer; return it, or None where nothing was ever kept."""
        step, _ = self.best
        state = self.ring.best or (self._find_on_disk(step=step) if step is not None else None)
        if state is not None:
            self._living.assign(dict(enumerate(state.values)))
        return state

    def obey(self, position: Position) -> Jump | None:
        """Do what was asked since the last call. Return where training went back to, if it did."""
        jump: Jump | None = None
        for command in self.run.take_commands():
            self.run.answer(command, "acknowledged")
            try:
                jump = self._obey_one(command, jump.state.position if jump else position) or jump
            except KeepbestError as error:
                self.run.answer(command, "refused", error.message)
        return jump

    def _obey_one(self, command: Command, position: Position) -> Jump | None:
        if command.kind is CommandKind.ROLL_BACK:
            return self._roll_back(command)
        if command.kind is CommandKind.CHECKPOINT:
            self._checkpoint_now(command, position)
        else:
            self.stop = command.kind
            self.run.answer(command, "done", f"Stopped at step {position.step}.")
        return None

    def _checkpoint_now(self, command: Command, position: Position) -> None:
        if self._writer is None:
            raise NotFound("This run has no checkpoint store.")
        state = self._capture(position)
        self._asked[state.id] = command  # answered by the writer, once it is on disk
        self._submit(state, "manual", None)

    def _roll_back(self, command: Command) -> Jump:
        state = self._get(command.arguments)
        roll_back(self._living, state)
        segment = self.branch(state, reset_patience=bool(command.arguments.get("reset_patience")))
        result = {"step": state.step, "segment": segment, "snapshot": state.id}
        self.run.answer(command, "done", f"Went back to step {state.step}.", result)
        return Jump(state, segment, command.id)

    def branch(self, state: State, *, reset_patience: bool = False) -> int:
        """Open a new segment at `state`, which the model is in already; return its number.

        The best that was found since stays the best. A stop that was decided there is lifted: somebody wants more.
        """
        on_disk = self.store is not None and state.id in self.store.checkpoints(self.run.id)
        stopper = self._with_best(state.stopper)
        stopped = (stopper["policy"].get("decision") or {}).get("stop", False)
        segment = self.run.branch(
            state.step,
            parent=self._segments.get(state.id, self.run.segment),
            state=stopper,
            checkpoint=state.id if on_disk else None,
            reset_patience=reset_patience or stopped,
        )
        self._deadline = self.run.deadline()
        return segment

    def _get(self, arguments: Mapping[str, Any]) -> State:
        """Return the state that a command names, from memory where it is there, else from disk."""
        step, checkpoint = arguments.get("step"), arguments.get("checkpoint")
        if step is None and checkpoint is None:
            step = self.best[0]
        held = [kept for kept in (*self.ring.states, self.ring.best) if kept is not None]
        found = next((kept for kept in reversed(held) if kept.step == step or kept.id == checkpoint), None)
        found = found or self._find_on_disk(step=step, checkpoint=checkpoint)
        if found is None:
            steps = sorted({kept.step for kept in held} | {manifest.step for manifest in self._manifests()})
            raise NotFound(
                f"Nothing was kept of {f'step {step}' if checkpoint is None else f'checkpoint {checkpoint}'}; "
                f"there is step {', '.join(map(str, steps)) or 'none yet'}."
            )
        return found

    def _find_on_disk(self, *, step: int | None = None, checkpoint: str | None = None) -> State | None:
        if self.store is None:
            return None
        self.drain(WAIT_SECONDS)
        for manifest in reversed(self._manifests()):
            if manifest.id == checkpoint or manifest.step == step:
                loaded = self.store.load(self.run.id, manifest.id)
                loaded.check(self._living.specs)
                self._segments[manifest.id] = manifest.segment
                return loaded.to_state()
        return None

    def _manifests(self) -> list[Manifest]:
        return self.store.manifests(self.run.id) if self.store is not None else []

    def _with_best(self, stopper: Mapping[str, Any]) -> dict[str, Any]:
        """Return a stopper state of the past with the best that was found since: a run's best never gets worse."""
        step, value = self.best
        policy = dict(stopper["policy"])
        if is_better(value, policy["best_value"], self.run.judge.policy.mode):
            policy |= {"best_step": step, "best_value": value}
        return {**stopper, "policy": policy}

    # Keeping

    @property
    def _living(self) -> Variables:
        if self._variables is None:
            raise KeepbestError("Nothing is being trained yet.", hint="Call begin(model) first.")
        return self._variables

    def _capture(self, position: Position) -> State:
        state = capture(self._living, position=position, stopper=self.run.stopper_state())
        self._segments[state.id] = self.run.segment
        return state

    def _keep(self, position: Position, value: float | None) -> State:
        state = self._capture(position)
        self.ring.keep(state, best=True)
        self._submit(state, "best", value)
        return state

    def _is_spaced(self, step: int) -> bool:
        """Whether retention wants a checkpoint of this stretch of steps, and none was handed to the writer yet."""
        every = self._retention.every_steps
        return every is not None and step // every > self._submitted_step // every

    def _submit(self, state: State, kind: Literal["best", "last", "manual"], value: float | None) -> None:
        if self._writer is None:
            return
        self._submitted_step = state.step
        about = About(
            run=self.run.id,
            at=self._now(),
            kind=kind,
            segment=self.run.segment,
            value=value,
            monitor=self.run.monitor,
            mode=self.run.judge.policy.mode if self.run.stopper_state()["policy"] else None,
            environment=self._environment,
            network=self._network,
        )
        self._writer.submit(state, about)

    # What the writer's thread says

    def _make_writer(self, store: Store) -> Writer:
        store.sweep()
        return Writer(store, on_durable=self._tell_durable, on_skipped=self._tell_skipped, on_error=self._tell_error)

    def _tell_durable(self, written: Written) -> None:
        manifest = written.manifest
        self.run.checkpoint_durable(
            manifest.id,
            step=manifest.step,
            kind=manifest.kind,
            value=manifest.value,
            digest=written.digest,
            size_bytes=manifest.size_bytes,
            written_bytes=written.written_bytes,
            location=str(written.location),
            segment=manifest.segment,
            seconds=written.seconds,
        )
        if (command := self._asked.pop(manifest.id, None)) is not None:
            result = {"checkpoint": manifest.id, "step": manifest.step}
            self.run.answer(command, "done", f"Step {manifest.step} is on disk.", result)
        if self._keeper is not None:
            best = self.run.heard_best
            for dropped in self._keeper.take(manifest, {best: "the tracker's best"} if best else {}):
                reason = f"Step {manifest.step} is on disk; retention keeps {self._keeper.describe()}."
                self.run.checkpoint_dropped(dropped, reason)

    def _tell_skipped(self, task: Task) -> None:
        self.run.checkpoint_dropped(task.state.id, "A newer one came before this one was written.")

    def _tell_error(self, task: Task, error: Exception) -> None:
        message = error.message if isinstance(error, KeepbestError) else f"{type(error).__name__}: {error}"
        hint = getattr(error, "hint", None) or ""
        _log.error("Checkpoint of step %s was not written: %s %s", task.state.step, message, hint)
        self.run.checkpoint_dropped(task.state.id, f"It was not written: {message}"[:500])
        if (command := self._asked.pop(task.state.id, None)) is not None:
            self.run.answer(command, "refused", f"{message} {hint}".strip()[:2000])


def describe_network(model: Any) -> str | None:
    """Return Keras' JSON of the network, or None for a model that has none (a subclass without `get_config`)."""
    with suppress(Exception):  # whatever a user's get_config raises, the values are what counts
        return str(model.to_json())
    return None
