"""The training that lives, what of it is kept, in memory and on disk, and which of that may be used again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.inputs import Inputs, of_model
from keepbest.checkpoint.writer import WAIT_SECONDS
from keepbest.contract.base import CheckpointKind, new_id
from keepbest.contract.commands import RollBackRequest
from keepbest.contract.policies import RetentionSpec
from keepbest.errors import KeepbestError, NotFound
from keepbest.panels.panel_worker import Painter
from keepbest.selection.selectors import Selector
from keepbest.snapshots.averages import Averages, find_averages, use
from keepbest.snapshots.buffer import SnapshotBuffer
from keepbest.snapshots.extra_state import ExtraState
from keepbest.snapshots.snapshot import ModelVariables, VariableSet, capture
from keepbest.snapshots.state import Position, State, VariableSpec
from keepbest.tracking.process.exit import shielded
from keepbest.tracking.run import Run
from keepbest.training.checkpointing import CheckpointRecorder
from keepbest.training.completeness import Completeness
from keepbest.training.fit.data import of_fit
from keepbest.training.fit.swapped_weights import Swaps
from keepbest.training.fit.traced_step import TracedStep
from keepbest.training.network import describe_network, network_of
from keepbest.training.reference_examples import References
from keepbest.training.replicas import warn_of_replicas
from keepbest.training.shelf import SnapshotLookup
from keepbest.training.vetting import Vetting

_log = logging.getLogger("keepbest")


class TrainingStates:
    """What a run trains, and the states that were taken of it. `take_up` comes first, `close` last."""

    def __init__(
        self,
        run: Run,
        store: Store | None,
        *,
        ring: SnapshotBuffer | None = None,
        retention: RetentionSpec | None = None,
        environment: Mapping[str, Any] | None = None,
        writes_bests: bool = True,
        carried: ExtraState | None = None,
        painter: Painter | None = None,
        selector: Selector | None = None,
        references: References | None = None,
        strict: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.run = run
        self.store = run.store = store
        self.ring = ring if ring is not None else SnapshotBuffer()
        self._carried = carried or ExtraState()
        self._painter = painter
        self._references = references
        self._model: Any = None
        self._variables: VariableSet | None = None
        self._optimizer: Any = None
        #: Held as long as they are asked for: nothing else may get their addresses.
        self._network: list[Any] = []
        self._averages: Averages = {}
        self._averaged: tuple[VariableSpec, ...] = ()
        #: Who follows what callbacks swap in for a validation, where there is a fit with others.
        self.swaps: Swaps | None = None
        self._completeness = Completeness(run, strict=strict)
        self._has_averages = selector is not None and selector.measures_averages
        self._traced = TracedStep()
        self._vetting = Vetting(run, self.ring, self._write_again)
        writing: dict[str, Any] = {"environment": environment, "writes_bests": writes_bests, "selector": selector}
        writing["find_fault"] = self._vetting.find_fault
        self._archive = CheckpointRecorder(run, store, retention or run.retention, **writing, now=now)
        self._shelf = SnapshotLookup(run.id, self.ring, store, lambda: self.drain(WAIT_SECONDS))
        run.recorder.watch_memory(self.ring.take_news)

    def take_up(self, model: Any) -> VariableSet:
        """Put `model` on the bench as it is now; return its variables. The disk is written to from here on.

        Raises CheckpointIncomplete, in a strict run, where a part of it cannot be captured.
        """
        self._model, fresh = model, model if isinstance(model, VariableSet) else ModelVariables(model, self._variables)
        if self._variables is None or not fresh.are(self._variables):
            self._say_optimizer(getattr(model, "optimizer", None))
            self._variables, self._network = fresh, network_of(model)
            self._find_averages()
            self._archive.network = describe_network(model)
            self._archive.inputs = self._find_inputs(model)
            warn_of_replicas(model)
            if fresh.is_eager:
                capture(fresh, position=Position())
            if fresh.is_eager:
                self._vetting.begin(fresh)
            if self._painter is not None and not self._painter.begin(model):
                self._painter = None
        self._completeness.tell(fresh.missing)
        self._traced.check(model)
        self._archive.open()
        return self._living

    def _say_optimizer(self, optimizer: Any) -> None:
        """Say what of the best cannot be carried over, where the model was compiled with another optimizer since."""
        before, self._optimizer = self._optimizer, optimizer
        if before is not None and optimizer is not before and self.best[0] is not None:
            _log.warning(
                "keepbest: the model was compiled anew, with %s after %s. The best so far, of step %d, can still be "
                "given back as a network; the state of its optimizer cannot be carried over: there %s begins anew.",
                *(type(one).__name__ for one in (optimizer, before)),
                self.best[0],
                type(optimizer).__name__,
            )

    def follow(self) -> None:
        """Take up what the first step has built, and read it once, where the tracing holds up no validation."""
        if self._living.follow():
            self._vetting.begin(self._living)
            self._completeness.tell(self._living.missing)
        if self._living.is_eager:
            capture(self._living, position=Position())
            self._vetting.begin(self._living)

    def may_train(self, model: Any) -> bool:
        """Whether `model` is what was taken up, or nothing was yet: it has all variables that its network had.

        It may have more by now, and another optimizer. Another object counts where it has exactly these variables.
        """
        if self._variables is None:
            return True
        before, now = ({id(one) for one in network} for network in (self._network, network_of(model)))
        return before <= now if model is self._model else before == now

    @property
    def best(self) -> tuple[int | None, float | None]:
        """Step and value of the best validation so far."""
        policy = self.run.stopper.state()["policy"]
        return policy.get("best_step"), policy.get("best_value")

    # What is kept

    def checkpoint(self, position: Position, kind: CheckpointKind) -> State:
        """Hand the present state to the writer; return it at once. Going back to it needs no disk for a while."""
        state = self._capture(position)
        self.ring.keep(state)
        self._archive.submit(state, kind, None, segment=self.run.recorder.segment)
        return state

    def write(self, position: Position) -> Manifest:
        """Put the present state on disk before this returns. Raises NotFound without a store, StoreUnavailable."""
        return self._archive.write(self._capture(position), "last", None, segment=self.run.recorder.segment)

    def write_best(self) -> Manifest:
        """Put the best state on disk, where it is not there yet, before this returns. Raises as `write` does."""
        self.drain()
        state = self._get(RollBackRequest())
        if self.store is not None and self._shelf.is_on_disk(state.id):
            return self.store.read_manifest(self.run.id, state.id)[0]
        segment = self._shelf.segments.get(state.id, self.run.recorder.segment)
        return self._archive.write(state, "best", self.best[1], segment=segment)

    def drain(self, deadline_seconds: float | None = None) -> bool:
        """Wait until every checkpoint is on disk or given up; return whether that came in time."""
        return self._archive.drain(deadline_seconds)

    def close(self, deadline_seconds: float | None = None) -> bool:
        """Drain, and end the writer's thread; `begin` starts another."""
        with shielded():
            return self._archive.close(deadline_seconds)

    def write_selected(self, state: State, value: float, n: int | None, made_of: tuple[str, ...]) -> Manifest:
        """Put an average that was selected on disk before this returns; nothing goes on from it."""
        segment = self._shelf.segments.get(made_of[0], self.run.recorder.segment)
        state = self._with_predictions(state, is_present=False)
        return self._archive.write(state, "selected", value, segment=segment, n=n, made_of=made_of)

    # What is used again

    def put(self, state: State) -> None:
        """Give every variable its value in `state`: to measure and use it."""
        self._living.put(use(state))
        self._note_put()

    def _note_put(self) -> None:
        if self.swaps is not None:
            self.swaps.note_put()

    def restore_best(self) -> State | None:
        """Put the best state back to be used, optimizer included; return it, or None where nothing was ever kept.

        A later `fit` goes on from what was put there, as after Keras' own: from averages, where these were measured.
        """
        self._vetting.check_best()
        step, _ = self.best
        state = self.ring.best or (self._shelf.find_on_disk(self._living, step=step) if step is not None else None)
        if state is not None:
            self.put(state)
        return state

    # What lives

    @property
    def living(self) -> VariableSet | None:
        """The variables of what is trained; None before `take_up`."""
        return self._variables

    @property
    def _living(self) -> VariableSet:
        if self._variables is None:
            raise KeepbestError("Nothing is being trained yet.", hint="Call begin(model) first.")
        return self._variables

    def _write_again(self, state: State) -> None:
        """Have a best written that is one again; under another id, for of this one it was said that it is gone."""
        again = replace(state, id=new_id())
        self._shelf.segments[again.id] = self._shelf.segments.get(state.id, self.run.recorder.segment)
        self._archive.submit_again(state.id, again)

    def _capture(self, position: Position) -> State:
        if not self._living.is_eager:  # of a graph nothing can be read before its variables have values
            self._vetting.begin(self._living)
        state = capture(self._living, position=position, stopper=self.run.stopper.state())
        if self._has_averages and self._averaged is not self._living.specs:
            self._find_averages()
        state = replace(state, callbacks=self._carried.capture(), averages=self._averages)
        if self.swaps is not None:
            state = self.swaps.complete(state, self._model)
        self._shelf.segments[state.id] = self.run.recorder.segment
        return self._with_predictions(state) if self.store is not None else state

    def _with_predictions(self, state: State, *, is_present: bool = True) -> State:
        """Return `state` with what the network gives in it for the examples that are recorded, where some are."""
        if self._references is None or not self._references.is_kept:
            return state
        said = self._references.predict(self._model, self._living, state, is_present=is_present)
        return replace(state, predictions=said)

    def _find_inputs(self, model: Any) -> Inputs | None:
        """Return what the model is called with, from whoever knows it best."""
        return (self._references and self._references.inputs) or of_fit(model) or of_model(model)

    def _find_averages(self) -> None:
        """Learn which variable is the average of which, again where others were built since."""
        self._averaged = self._living.specs
        self._averages = find_averages(self._model) if self._has_averages else {}

    def _get(self, asked: RollBackRequest) -> State:
        step = asked.step
        if asked.step is None and asked.checkpoint is None:
            self._vetting.check_best()
            step, _ = self.best
            if step is None:
                raise NotFound(
                    "There is no best validation yet.", hint="Wait for the first validation, or name a step."
                )
        return self._shelf.get(self._living, step=step, checkpoint=asked.checkpoint)
