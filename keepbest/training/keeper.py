"""What happens at a validation and between validations, whoever trains: judge, keep the best, write it, record, obey
commands.

It knows a run (`keepbest.tracking.run.Run`, with or without a tracker behind it), a ring of snapshots and a store, and
nothing of Keras' callbacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from keepbest.contract.base import CheckpointKind
from keepbest.contract.commands import Command, RollBackRequest
from keepbest.contract.validate import request
from keepbest.errors import KeepbestError, NotFound
from keepbest.selection.candidates import Candidate
from keepbest.snapshots.averages import put_in_place
from keepbest.snapshots.snapshot import VariableSet
from keepbest.snapshots.state import Position, State
from keepbest.status import CommandKind
from keepbest.stopping import Decision, Pairs
from keepbest.training.learning_rate import check_rate, reduce_rate
from keepbest.training.rollback import Jumping, RollBack

#: Beside each validation that is one.
AVERAGED = "at the averaged weights"
SWAPPED = "at weights that another callback swapped in for it"


class BestKeeper(Jumping):
    """Keeps one run's best. `begin` comes first, `report_validation` at each validation, `obey` at each batch, `close`
    last.
    """

    #: What somebody asked for that ends training.
    stop: CommandKind | None = None

    def begin(self, model: Any) -> VariableSet:
        """Take up `model` as it is now: Keras' own, a `TrainedObject`, or a `VariableSet`; return its variables.

        The first reading is made here, where its tracing costs no step. Raises InvalidInput where the stopper sets the
        learning rate, and that of `model` cannot be set.
        """
        if self.run.stopper.changes_rate:
            check_rate(model)
        living = self.take_up(model)
        self._deadline = self.run.deadline()
        return living

    # Validations

    def measured(self) -> AbstractContextManager[None]:
        """Have the model be what a validation measures of it: with a selector that wants that, its averaged weights."""
        return put_in_place(self._living, self._averages)

    def report_validation(
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
        """Judge a validation, set the learning rate as decided, keep the state if it is the best so far, and record it
        all.

        A validation that is told again gets its decision again, and nothing is done.
        """
        before = self.run.stopper.decision
        decision = self.run.judge_validation(position.step, value, n, train=train, metrics=metrics, pairs=pairs)
        is_new = decision != before
        if is_new:  # first: in whatever is kept of this validation the rate is that of the stopper's state
            decision = reduce_rate(decision, self._model)
        is_best = decision.improved and is_new
        kept = self._keep(position, value, n, decision) if is_new else None
        self.run.recorder.record_validation(
            position.step,
            value,
            decision,
            n=n,
            metrics=metrics,
            epoch=epoch,
            seconds=seconds,
            snapshot=kept.id if kept else None,
            checkpoint=kept.id if kept and self._archive.is_open else None,
            note=AVERAGED if self._averages else SWAPPED if kept is not None and kept.averages else None,
            pairs=self.run.stopper.ask(pairs),
        )
        if kept is None and self._archive.is_due(position.step):
            self.checkpoint(position, "last")
        if self._painter is not None and self._painter.wants(is_best=is_best):
            self._painter.put(kept or self._capture(position), self.run.recorder.segment)
        self.run.recorder.report(step=position.step, epoch=epoch)
        self._deadline = self.run.deadline()
        return decision

    def paint_start(self, position: Position) -> None:
        """Draw the graph, and have the model painted as it is before training."""
        if self._painter is not None:
            self._painter.draw_graph(self.run.recorder.segment, position.step)
            self._painter.put(self._capture(position), self.run.recorder.segment)

    def paint_end(self, position: Position) -> None:
        """Paint the end and the best where that was not done yet. This waits for it."""
        if self._painter is not None:
            states = [self._capture(position), *([self.ring.best] if self.ring.best is not None else [])]
            segments = self._shelf.segments
            self._painter.close([(state, segments.get(state.id, self.run.recorder.segment)) for state in states])

    def is_due(self, step: int) -> bool:
        """Whether silence alone stops the run at `step`, or what was found since the last validation did before."""
        if self._vetting.is_news:
            self._vetting.is_news = False
            self._deadline = self.run.deadline()
        return self._deadline is not None and step >= self._deadline

    def judge_silence(self, step: int) -> Decision:
        """Have the stopper judge that training came to `step` without a validation, and record a stop, once."""
        before = self.run.decision
        decision = self.run.judge_validation(step, None)
        if decision.stop and decision != before:
            self.run.recorder.record_validation(decision.at_step, None, decision)
        return decision

    def forgive(self, step: int) -> None:
        """Take back a stop that is already decided: training goes on from `step`, with fresh patience if it ran out."""
        self.run.lift_stop(step)
        self._deadline = self.run.deadline()

    def obey(self, position: Position) -> RollBack | None:
        """Do what was asked since the last call. Return where training went back to, if it did."""
        jump: RollBack | None = None
        for command in self.run.commands.take():
            self.run.commands.answer(command, "acknowledged")
            try:
                jump = self._obey_one(command, jump.state.position if jump else position) or jump
            except KeepbestError as error:
                self.run.commands.answer(command, "refused", f"{error.message} {error.hint or ''}".strip())
        return jump

    def _obey_one(self, command: Command, position: Position) -> RollBack | None:
        if command.kind is CommandKind.ROLL_BACK:
            jump = self.roll_back(request(RollBackRequest, **command.arguments))
            found = {"snapshot": jump.state.id, "source": jump.source}
            result = {"step": jump.state.step, "segment": jump.segment, **found}
            self.run.commands.answer(command, "done", jump.message, result)
            return jump
        if command.kind is CommandKind.CHECKPOINT:
            self._checkpoint_now(command, position)
        else:
            self.stop = command.kind
            self.run.note_stop(command, position.step)
            self.run.commands.answer(command, "done", f"Stopped at step {position.step}.")
        return None

    def _checkpoint_now(self, command: Command, position: Position) -> None:
        if not self._archive.is_open:
            raise NotFound("This run has no checkpoint store.")
        state = self._capture(position)
        self.ring.keep(state)
        self._archive.submit(state, "manual", None, segment=self.run.recorder.segment, asked=command)

    def _keep(self, position: Position, value: float | None, n: int | None, decision: Decision) -> State | None:
        """Keep the best, and what the selector may choose besides; return it."""
        if not decision.improved and (value is None or not decision.is_admitted or not self._wants(position, value, n)):
            return None
        state = self._capture(position)
        self.ring.keep(state, best=decision.improved)
        if decision.improved and value is not None:
            self._vetting.expect(state, self.run.recorder.segment, value)
        kind: CheckpointKind = "best" if decision.improved else "candidate"
        self._archive.submit(state, kind, value, segment=self.run.recorder.segment, n=n)
        return state

    def _wants(self, position: Position, value: float, n: int | None) -> bool:
        return self._archive.is_open and self._archive.wants(Candidate("", position.step, value, n))
