"""What happens at a look and between looks, whoever trains: judge, keep the best, write it, record, obey commands.

It knows a run (`keepbest.runs.run.Run`, with or without a tracker behind it), a ring of snapshots and a store, and
nothing of Keras' callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from keepbest.checkpoint import Manifest, Store
from keepbest.contract.asking import request
from keepbest.contract.base import CheckpointKind
from keepbest.contract.commands import Command, RollBackRequest
from keepbest.contract.overrides import Overrides
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import InvalidInput, KeepbestError, NotFound
from keepbest.looking.archive import Archive
from keepbest.looking.network import describe_network
from keepbest.looking.rate import check_rate, rate_in, reduce_rate, with_rate
from keepbest.looking.shelf import Shelf
from keepbest.panels.painter import Painter
from keepbest.runs.run import Run
from keepbest.selection.candidates import Candidate
from keepbest.selection.selectors import Selector
from keepbest.snapshots.averages import Averages, find_averages, put_in_place, use
from keepbest.snapshots.carried import Carried
from keepbest.snapshots.ring import Ring
from keepbest.snapshots.snapshot import Living, Variables, capture, roll_back
from keepbest.snapshots.state import Position, State
from keepbest.status import CommandKind
from keepbest.stopping import Decision, Pairs

#: A roll back to a checkpoint that is still being written waits for it this long.
WAIT_SECONDS = 30.0

#: Beside each look that is one.
AVERAGED = "at the averaged weights"

#: Where a state was found that training went back to.
Source = Literal["memory", "disk"]


@dataclass(frozen=True)
class Jump:
    """Training went back to `state` and goes on from there in a new segment; `message` says so in words."""

    state: State
    segment: int
    source: Source
    message: str


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
        writes_bests: bool = True,
        carried: Carried | None = None,
        painter: Painter | None = None,
        selector: Selector | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.run = run
        self.store = run.store = store
        self.ring = ring if ring is not None else Ring()
        self.stop: CommandKind | None = None
        self._carried = carried or Carried()
        self._painter = painter
        self._model: Any = None
        self._variables: Living | None = None
        self._averages: Averages = {}
        self._has_averages = selector is not None and selector.measures_averages
        self._deadline: int | None = None
        writing: dict[str, Any] = {"environment": environment, "writes_bests": writes_bests, "selector": selector}
        self._archive = Archive(run, store, retention or run.retention, **writing, now=now)
        self._shelf = Shelf(run.id, self.ring, store, lambda: self.drain(WAIT_SECONDS))
        run.watch_memory(self.ring.take_news)

    def begin(self, model: Any) -> Living:
        """Take up `model` as it is now: Keras' own, or what is `Trained`, or `Living` already; return its variables.

        The first reading is made here, where its tracing costs no step. Raises InvalidInput where the stopper sets the
        learning rate, and that of `model` cannot be set.
        """
        if self.run.judge.changes_rate:
            check_rate(model)
        self._model, fresh = model, model if isinstance(model, Living) else Variables(model)
        if self._variables is None or not fresh.are(self._variables):
            self._variables = fresh
            self._averages = find_averages(model) if self._has_averages else {}
            self._archive.network = describe_network(model)
            if fresh.is_eager:
                capture(fresh, position=Position())
            if self._painter is not None and not self._painter.begin(model):
                self._painter = None
        self._archive.open()
        self._deadline = self.run.deadline()
        return self._living

    # Looks

    def measured(self) -> AbstractContextManager[None]:
        """Have the model be what a look measures of it: with a selector that wants that, its averaged weights."""
        return put_in_place(self._living, self._averages)

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
        pairs: Pairs | None = None,
    ) -> Decision:
        """Judge a look, set the learning rate as decided, keep the state if it is the best so far, and record it all.

        A look that is told again gets its decision again, and nothing is done.
        """
        before = self.run.judge.decision
        decision = self.run.judge_look(position.step, value, n, train=train, metrics=metrics, pairs=pairs)
        is_new = decision != before
        if is_new:  # first: in whatever is kept of this look the rate is that of the stopper's state
            decision = reduce_rate(decision, self._model)
        is_best = decision.improved and is_new
        kept = self._keep(position, value, n, decision) if is_new else None
        self.run.record_look(
            position.step,
            value,
            decision,
            n=n,
            metrics=metrics,
            epoch=epoch,
            seconds=seconds,
            snapshot=kept.id if kept else None,
            checkpoint=kept.id if kept and self._archive.is_open else None,
            note=AVERAGED if self._averages else None,
            pairs=self.run.judge.ask(pairs),
        )
        if kept is None and self._archive.is_due(position.step):
            self.checkpoint(position, "last")
        if self._painter is not None and self._painter.wants(is_best=is_best):
            self._painter.put(kept or self._capture(position), self.run.segment)
        self.run.report(step=position.step, epoch=epoch)
        self._deadline = self.run.deadline()
        return decision

    def paint_start(self, position: Position) -> None:
        """Draw the graph, and have the model painted as it is before training."""
        if self._painter is not None:
            self._painter.draw_graph(self.run.segment, position.step)
            self._painter.put(self._capture(position), self.run.segment)

    def paint_end(self, position: Position) -> None:
        """Paint the end and the best where that was not done yet. This waits for it."""
        if self._painter is not None:
            states = [self._capture(position), *([self.ring.best] if self.ring.best is not None else [])]
            segments = self._shelf.segments
            self._painter.close([(state, segments.get(state.id, self.run.segment)) for state in states])

    def is_due(self, step: int) -> bool:
        """Whether silence alone stops the run at `step`."""
        return self._deadline is not None and step >= self._deadline

    def judge_silence(self, step: int) -> Decision:
        """Have the stopper judge that training came to `step` without a look, and record a stop, once."""
        before = self.run.decision
        decision = self.run.judge_look(step, None)
        if decision.stop and decision != before:
            self.run.record_look(decision.at_step, None, decision)
        return decision

    @property
    def best(self) -> tuple[int | None, float | None]:
        """Step and value of the best look so far."""
        policy = self.run.stopper_state()["policy"]
        return policy.get("best_step"), policy.get("best_value")

    def forgive(self, step: int) -> None:
        """Take back a stop that is already decided: training goes on from `step`, with fresh patience if it ran out."""
        self.run.lift_stop(step)
        self._deadline = self.run.deadline()

    # Checkpoints

    def checkpoint(self, position: Position, kind: CheckpointKind) -> State:
        """Hand the present state to the writer; return it at once. Going back to it needs no disk for a while."""
        state = self._capture(position)
        self.ring.keep(state)
        self._archive.submit(state, kind, None, segment=self.run.segment)
        return state

    def write(self, position: Position) -> Manifest:
        """Put the present state on disk before this returns. Raises NotFound without a store, StoreUnavailable."""
        return self._archive.write(self._capture(position), "last", None, segment=self.run.segment)

    def write_best(self) -> Manifest:
        """Put the best state on disk, where it is not there yet, before this returns. Raises as `write` does."""
        self.drain()
        state = self._get(RollBackRequest())
        if self.store is not None and self._shelf.is_on_disk(state.id):
            return self.store.read_manifest(self.run.id, state.id)[0]
        segment = self._shelf.segments.get(state.id, self.run.segment)
        return self._archive.write(state, "best", self.best[1], segment=segment)

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or given up; return whether that came in time."""
        return self._archive.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `begin` starts another."""
        return self._archive.close(deadline_seconds)

    def write_selected(self, state: State, value: float, n: int | None, made_of: tuple[str, ...]) -> Manifest:
        """Put an average that was selected on disk before this returns; nothing goes on from it."""
        segment = self._shelf.segments.get(made_of[0], self.run.segment)
        return self._archive.write(state, "selected", value, segment=segment, n=n, made_of=made_of)

    # Going back

    def put(self, state: State) -> None:
        """Give every variable its value in `state`: to measure and use it, not to go on from it."""
        self._living.put(use(state))

    def restore_best(self) -> State | None:
        """Put the best state back to be used, optimizer included; return it, or None where nothing was ever kept."""
        step, _ = self.best
        state = self.ring.best or (self._shelf.find_on_disk(self._living, step=step) if step is not None else None)
        if state is not None:
            self.put(state)
        return state

    def put_back(self, *, step: int | None = None, checkpoint: str | None = None) -> State:
        """Put a kept state back, random states included, the best if none is named; return it.

        The run hears of it when training goes on from there: `branch` says so. Raises what `roll_back` does.
        """
        state = self._get(RollBackRequest(step=step, checkpoint=checkpoint))
        self._carried.check(state.callbacks)
        roll_back(self._living, state)
        self._carried.restore(state.callbacks)
        return state

    def obey(self, position: Position) -> Jump | None:
        """Do what was asked since the last call. Return where training went back to, if it did."""
        jump: Jump | None = None
        for command in self.run.take_commands():
            self.run.answer(command, "acknowledged")
            try:
                jump = self._obey_one(command, jump.state.position if jump else position) or jump
            except KeepbestError as error:
                self.run.answer(command, "refused", f"{error.message} {error.hint or ''}".strip())
        return jump

    def _obey_one(self, command: Command, position: Position) -> Jump | None:
        if command.kind is CommandKind.ROLL_BACK:
            jump = self.roll_back(request(RollBackRequest, **command.arguments))
            found = {"snapshot": jump.state.id, "source": jump.source}
            result = {"step": jump.state.step, "segment": jump.segment, **found}
            self.run.answer(command, "done", jump.message, result)
            return jump
        if command.kind is CommandKind.CHECKPOINT:
            self._checkpoint_now(command, position)
        else:
            self.stop = command.kind
            self.run.note_stop(command, position.step)
            self.run.answer(command, "done", f"Stopped at step {position.step}.")
        return None

    def _checkpoint_now(self, command: Command, position: Position) -> None:
        if not self._archive.is_open:
            raise NotFound("This run has no checkpoint store.")
        state = self._capture(position)
        self.ring.keep(state)
        self._archive.submit(state, "manual", None, segment=self.run.segment, asked=command)

    # Jumps

    def roll_back(self, asked: RollBackRequest) -> Jump:
        """Go back to the best, a step or a checkpoint, from memory or from disk, and on from there, changed as asked.

        Whatever cannot be done is found before anything is changed: NotFound, InvalidInput, CheckpointMismatch, what
        the store raises.
        """
        state = self._get(asked)
        _check_end(asked, state.step)
        source: Source = "disk" if self._shelf.find_held(checkpoint=state.id) is None else "memory"
        changed = with_rate(state, self._model, asked.learning_rate) if asked.learning_rate else state
        past = self.run.judge.recall(state.stopper)
        self._carried.check(state.callbacks)
        roll_back(self._living, changed)
        self._carried.restore(state.callbacks)
        segment = self._branch(state, past, asked.overrides)
        message = f"Went back to step {state.step}{self._describe(asked, state, changed)}."
        return Jump(state, segment, source, message)

    def branch(self, state: State, overrides: Overrides | None = None) -> int:
        """Open a new segment at `state`, which the model is in already; return its number.

        The best that was found since stays the best. A stop that was decided there is lifted: somebody wants more.
        """
        return self._branch(state, self.run.judge.recall(state.stopper), overrides or Overrides())

    def change(self, position: Position, overrides: Overrides) -> None:
        """Go on otherwise from `position`, where an attempt begins that was asked to. It is on disk at once.

        Raises InvalidInput, and changes nothing, where that cannot be.
        """
        _check_end(overrides, position.step)
        if overrides.learning_rate:
            state = self._capture(position)
            roll_back(self._living, with_rate(state, self._model, overrides.learning_rate))
        self.run.change(position.step, overrides)
        self._deadline = self.run.deadline()
        self._write_changed(position)

    def _branch(self, state: State, past: Mapping[str, Any], overrides: Overrides) -> int:
        """Open a segment; what was changed is on disk at once, so that no crash takes it back."""
        segment = self.run.branch(
            state.step,
            parent=self._shelf.segments.get(state.id, self.run.segment),
            state=past,
            checkpoint=state.id if self._shelf.is_on_disk(state.id) else None,
            overrides=overrides,
        )
        self._deadline = self.run.deadline()
        self._archive.step = state.step
        if overrides != Overrides():
            self._write_changed(state.position)
        return segment

    def _write_changed(self, position: Position) -> None:
        """Not into the ring: whoever goes back to this step means what a look judged there."""
        self._archive.submit(self._capture(position), "last", None, segment=self.run.segment)

    def _get(self, asked: RollBackRequest) -> State:
        step = asked.step
        if asked.step is None and asked.checkpoint is None:
            step, _ = self.best
            if step is None:
                raise NotFound("There is no best look yet.", hint="Wait for the first look, or name a step.")
        return self._shelf.get(self._living, step=step, checkpoint=asked.checkpoint)

    def _describe(self, asked: Overrides, state: State, changed: State) -> str:
        words = []
        if changed is not state:
            before, after = rate_in(state, self._model), rate_in(changed, self._model)
            words.append(f"learning rate {before:.6g} -> {after:.6g}")
        if asked.max_steps is not None:
            words.append(f"on to step {asked.max_steps}")
        if asked.reset_patience:
            words.append("patience anew")
        return "".join(f", {word}" for word in words)

    # Keeping

    @property
    def _living(self) -> Living:
        if self._variables is None:
            raise KeepbestError("Nothing is being trained yet.", hint="Call begin(model) first.")
        return self._variables

    def _capture(self, position: Position) -> State:
        state = capture(self._living, position=position, stopper=self.run.stopper_state())
        state = replace(state, callbacks=self._carried.capture(), averages=self._averages)
        self._shelf.segments[state.id] = self.run.segment
        return state

    def _keep(self, position: Position, value: float | None, n: int | None, decision: Decision) -> State | None:
        """Keep the best, and what the selector may choose besides; return it."""
        if not decision.improved and (value is None or not decision.is_admitted or not self._wants(position, value, n)):
            return None
        state = self._capture(position)
        self.ring.keep(state, best=decision.improved)
        kind: CheckpointKind = "best" if decision.improved else "candidate"
        self._archive.submit(state, kind, value, segment=self.run.segment, n=n)
        return state

    def _wants(self, position: Position, value: float, n: int | None) -> bool:
        return self._archive.is_open and self._archive.wants(Candidate("", position.step, value, n))


def _check_end(overrides: Overrides, step: int) -> None:
    if overrides.max_steps is not None and overrides.max_steps <= step:
        message = f"It goes on from step {step}; max_steps {overrides.max_steps} leaves nothing to train."
        raise InvalidInput(message, field="max_steps", hint="Name a later step.")
