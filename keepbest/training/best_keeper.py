"""Handles validations and commands for every kind of training: judges, keeps the best, writes it, records, obeys.

This module knows a run (`keepbest.tracking.run.Run`, with or without a tracker behind it), a buffer of snapshots and a
store. It knows nothing of Keras' callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.writer import WAIT_SECONDS
from keepbest.contract.base import CheckpointKind, new_id
from keepbest.contract.commands import Command, RollBackRequest
from keepbest.contract.policies import RetentionSpec
from keepbest.contract.validate import request
from keepbest.errors import KeepbestError, NotFound
from keepbest.panels.panel_worker import Painter
from keepbest.selection.candidates import Candidate
from keepbest.selection.selectors import Selector
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import Position, State
from keepbest.status import CommandKind
from keepbest.stopping import Decision, Validation
from keepbest.stopping.signs import Breakage
from keepbest.tracking.process.exit import shielded
from keepbest.tracking.run import Run
from keepbest.training.checkpoint_recorder import CheckpointRecorder
from keepbest.training.learning_rate import check_rate, reduce_rate
from keepbest.training.live_model import LiveModel
from keepbest.training.network import describe_network
from keepbest.training.recovery import Recoveries
from keepbest.training.reference_examples import References
from keepbest.training.rollback import RollBack, RollBacks
from keepbest.training.states import TrainingStates
from keepbest.training.vetting import Vetting

#: Notes on validations that measure other weights than the trained ones.
AVERAGED = "at the averaged weights"
SWAPPED = "at weights that another callback swapped in for it"


class BestKeeper:
    """Keeps one run's best. Call `begin` first, `report_validation` at each validation, `obey` at each batch, and
    `close` last.

    Its parts are the `live` model, the `states` taken of it, the `checkpoints` written of these, and the `rollback` to
    one of them.
    """

    def __init__(
        self,
        run: Run,
        store: Store | None,
        *,
        buffer: SnapshotBuffer | None = None,
        retention: RetentionSpec | None = None,
        environment: Mapping[str, Any] | None = None,
        writes_bests: bool = True,
        carried: CarriedState | None = None,
        painter: Painter | None = None,
        selector: Selector | None = None,
        references: References | None = None,
        strict: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.run = run
        self.store = run.store = store
        self.buffer = buffer = buffer if buffer is not None else SnapshotBuffer()
        self._vetting = vetting = Vetting(run, buffer, self._write_again)
        writing: dict[str, Any] = {"environment": environment, "writes_bests": writes_bests, "selector": selector}
        writing["find_fault"] = vetting.find_fault
        self.checkpoints = CheckpointRecorder(run, store, retention or run.retention, **writing, now=now)
        has_averages = selector is not None and selector.measures_averages
        measuring: dict[str, Any] = {"has_averages": has_averages, "references": references, "strict": strict}
        self.live = LiveModel(run, vetting, carried=carried, **measuring)
        self.states = TrainingStates(run, self.live, vetting, buffer, store, lambda: self.drain(WAIT_SECONDS))
        self.rollback = RollBacks(run, self.live, self.states, self.checkpoints)
        self.recovery = Recoveries(run, self.live, self.states, self.rollback, vetting)
        self._painter = painter
        #: The kind of the command that ends training, if one came.
        self.stop: CommandKind | None = None
        run.recorder.watch_memory(buffer.take_news)

    def begin(self, model: Any) -> VariableSet:
        """Begin to train `model` as it is now: Keras' own, a `TrainedObject`, or a `VariableSet`; return its variables.

        This reads the variables once, so that tracing the reader delays no step, and starts the writer. Raises
        InvalidInput if the stopper sets the learning rate, and that of `model` cannot be set; in a strict run,
        CheckpointIncomplete if keepbest cannot capture a part of the model.
        """
        if self.run.stopper.changes_rate:
            check_rate(model)
        self.recovery.check(model)
        if self.live.take_up(model):
            self.checkpoints.network = describe_network(model)
            self.checkpoints.inputs = self.live.find_inputs()
            if self._painter is not None and not self._painter.begin(model):
                self._painter = None
        self.live.check()
        self.checkpoints.open()
        return self.live.variables

    @property
    def best(self) -> tuple[int | None, float | None]:
        """Step and value of the best validation so far."""
        return self.run.stopper.best

    # Validations

    def report_validation(self, position: Position, validation: Validation) -> Decision:
        """Judge a validation, set the learning rate as decided, keep the state if it is the best so far, and record
        all of it.

        A repeated validation gets its decision again, and changes nothing.
        """
        run, before = self.run, self.run.stopper.decision
        decision = run.judge(validation)
        is_new = decision != before
        if is_new:  # before the state is kept: its learning rate must agree with its stopper's state
            decision = reduce_rate(decision, self.live.model)
        if is_new and decision.goes_back is not None:
            breakage = Breakage(validation.step, validation.step, decision.goes_back)
            return self.recovery.go_back(breakage, decision, lambda decided: self._record(validation, decided))
        kept = self._keep(position, validation, decision) if is_new else None
        self._record(validation, decision, kept)
        if kept is None and is_new and not decision.stop and (broken := self.recovery.keep(position)) is not None:
            return broken
        if kept is None and self.checkpoints.is_due(position.step):
            self.checkpoint(position, "last")
        self._paint(position, kept, is_best=decision.improved and is_new)
        run.recorder.report(step=position.step, epoch=validation.epoch)
        return decision

    def _record(self, validation: Validation, decision: Decision, kept: State | None = None) -> None:
        self.run.recorder.record_validation(
            self.run.stopper.with_pairs(validation),
            decision,
            snapshot=kept.id if kept else None,
            checkpoint=kept.id if kept and self.checkpoints.is_open else None,
            note=AVERAGED if self.live.averages else SWAPPED if kept is not None and kept.averages else None,
        )

    def _keep(self, position: Position, validation: Validation, decision: Decision) -> State | None:
        """Keep the state if it is the best, or if the selector may choose it; return it then."""
        if not decision.improved and not (decision.is_admitted and self._wants(validation)):
            return None
        state, segment, value = self.states.capture(position), self.run.recorder.segment, validation.value
        self.buffer.keep(state, best=decision.improved)
        if decision.improved and value is not None:
            self._vetting.expect(state, segment, value)
        kind: CheckpointKind = "best" if decision.improved else "candidate"
        self.checkpoints.submit(state, kind, value, segment=segment, n=validation.n)
        return state

    def _wants(self, validation: Validation) -> bool:
        """Whether the selector may choose this validation at the end although it is not the best."""
        if validation.value is None or not self.checkpoints.is_open:
            return False
        return self.checkpoints.wants(Candidate("", validation.step, validation.value, validation.n))

    def is_due(self, step: int) -> bool:
        """Whether the run must stop at `step` without a validation: out of patience, or by a withdrawn best."""
        deadline = self.run.stopper.deadline()
        return deadline is not None and step >= deadline

    def judge_silence(self, step: int) -> Decision:
        """Let the stopper judge that training reached `step` without a validation; record a stop, once."""
        before = self.run.decision
        decision = self.run.judge(Validation(step))
        if decision.stop and decision != before:
            self.run.recorder.record_validation(Validation(decision.at_step), decision)
        return decision

    # Pictures

    def paint_start(self, position: Position) -> None:
        """Make the panel of the graph, and hand over the model before training for panels."""
        if self._painter is not None:
            segment = self.run.recorder.segment
            self._painter.draw_graph(segment, position.step)
            self._painter.put(self.states.capture(position), segment)

    def paint_end(self, position: Position) -> None:
        """Make the panels of the end and of the best that are still missing, and wait for them."""
        if self._painter is not None:
            end, best = self.states.capture(position), self.buffer.best
            states = [end] if best is None else [end, best]
            self._painter.close([(state, self.states.segment_of(state.id)) for state in states])

    def _paint(self, position: Position, kept: State | None, *, is_best: bool) -> None:
        if self._painter is not None and self._painter.wants(is_best=is_best):
            self._painter.put(kept or self.states.capture(position), self.run.recorder.segment)

    # Commands

    def obey(self, position: Position) -> RollBack | None:
        """Obey the commands since the last call. Return the last roll back among them, if there was one."""
        last: RollBack | None = None
        for command in self.run.commands.take():
            self.run.commands.answer(command, "acknowledged")
            try:
                last = self._obey_one(command, last.state.position if last else position) or last
            except KeepbestError as error:
                self.run.commands.answer(command, "refused", f"{error.message} {error.hint or ''}".strip())
        return last

    def _obey_one(self, command: Command, position: Position) -> RollBack | None:
        if command.kind is CommandKind.ROLL_BACK:
            roll_back = self.rollback.roll_back(request(RollBackRequest, **command.arguments))
            outcome = {"snapshot": roll_back.state.id, "source": roll_back.source}
            result = {"step": roll_back.state.step, "segment": roll_back.segment, **outcome}
            self.run.commands.answer(command, "done", roll_back.message, result)
            return roll_back
        if command.kind is CommandKind.CHECKPOINT:
            self._checkpoint_now(command, position)
        elif command.kind is CommandKind.PAUSE:
            self.write(position)  # a state that cannot be written refuses the command, and training goes on
            self.stop = command.kind
            self.run.commands.answer(command, "done", f"Paused at step {position.step}: its state is on disk.")
        else:
            self.stop = command.kind
            self.run.note_stop(command, position.step)
            self.run.commands.answer(command, "done", f"Stopped at step {position.step}.")
        return None

    def _checkpoint_now(self, command: Command, position: Position) -> None:
        if not self.checkpoints.is_open:
            raise NotFound("This run has no checkpoint store.")
        state = self.states.capture(position)
        self.buffer.keep(state)
        self.checkpoints.submit(state, "manual", None, segment=self.run.recorder.segment, command=command)

    # Writing

    def checkpoint(self, position: Position, kind: CheckpointKind) -> State:
        """Hand the present state to the writer and return it at once. Memory keeps it for roll backs, too."""
        state = self.states.capture(position)
        self.buffer.keep(state)
        self.checkpoints.submit(state, kind, None, segment=self.run.recorder.segment)
        return state

    def write(self, position: Position) -> Manifest:
        """Write the present state to the disk before returning. Raises NotFound without a store, StoreUnavailable."""
        return self.checkpoints.write(self.states.capture(position), "last", None, segment=self.run.recorder.segment)

    def write_best(self) -> Manifest:
        """Write the best state to the disk before this returns, unless it is there. Raises as `write` does."""
        self.drain()
        state = self.states.choose()
        if self.store is not None and self.states.is_on_disk(state.id):
            return self.store.read_manifest(self.run.id, state.id)[0]
        return self.checkpoints.write(state, "best", self.best[1], segment=self.states.segment_of(state.id))

    def write_selected(self, state: State, value: float, n: int | None, made_of: tuple[str, ...]) -> Manifest:
        """Write a selected average to the disk before this returns; no training goes on from it."""
        segment = self.states.segment_of(made_of[0])
        state = self.live.predict(state, is_present=False)
        return self.checkpoints.write(state, "selected", value, segment=segment, n=n, made_of=made_of)

    def restore_best(self) -> State | None:
        """Put the best state back for use, optimizer included; return it, or None if no state was ever kept.

        A later `fit` goes on from these values, as after Keras' own restore: from averages if these were measured.
        """
        state = self.states.find_best()
        if state is not None:
            self.live.put(state)
        return state

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or has failed; return whether that came in time."""
        return self.checkpoints.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `begin` starts another."""
        with shielded():
            return self.checkpoints.close(deadline_seconds)

    def _write_again(self, state: State) -> None:
        """Write a state that is the best again, under a new id, since the run has reported the old id as dropped."""
        again = replace(state, id=new_id())
        self.states.note_copy(state.id, again.id)
        self.checkpoints.submit_again(state.id, again)
