"""The model that a run trains: captures its state, puts states back, and checks that a state holds all of it."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from keepbest.checkpoint.inputs import Inputs, of_model
from keepbest.errors import KeepbestError
from keepbest.snapshots.averages import Averages, find_averages, put_in_place, use
from keepbest.snapshots.carried_state import CarriedState
from keepbest.snapshots.snapshot import ModelVariables, VariableSet, capture, roll_back
from keepbest.snapshots.state import Position, State, VariableSpec
from keepbest.tracking.run import Run
from keepbest.training.completeness import Completeness
from keepbest.training.fit.data import of_fit
from keepbest.training.fit.swapped_weights import Swaps
from keepbest.training.fit.traced_step import TracedStep
from keepbest.training.network import network_of
from keepbest.training.reference_examples import References
from keepbest.training.replicas import warn_of_replicas
from keepbest.training.vetting import Vetting

_log = logging.getLogger("keepbest")


class LiveModel:
    """The model that a run trains. Call `take_up` first. `carried` is further state that affects later steps.

    With `has_averages`, validations measure the averages that the optimizer keeps of the weights.
    """

    def __init__(
        self,
        run: Run,
        vetting: Vetting,
        *,
        carried: CarriedState | None = None,
        references: References | None = None,
        has_averages: bool = False,
        strict: bool = False,
    ) -> None:
        self.carried = carried or CarriedState()
        #: The argument of `take_up`; None before.
        self.model: Any = None
        #: Its variables; None before `take_up`.
        self.found: VariableSet | None = None
        #: Follows weights that other callbacks of a `fit` swap in for a validation.
        self.swaps: Swaps | None = None
        self.averages: Averages = {}
        self._run = run
        self._vetting = vetting
        self._references = references
        self._has_averages = has_averages
        self._averaged: tuple[VariableSpec, ...] = ()
        self._optimizer: Any = None
        #: The network's variables, held so that no other object gets their ids.
        self._network: list[Any] = []
        self._completeness = Completeness(run, strict=strict)
        self._traced = TracedStep()

    @property
    def variables(self) -> VariableSet:
        """The variables of the model; raises KeepbestError before `take_up`."""
        if self.found is None:
            raise KeepbestError("There is no model in training yet.", hint="Call begin(model) first.")
        return self.found

    # The model

    def take_up(self, model: Any) -> bool:
        """Train `model` as it is now from here on; return whether its variables are new."""
        self.model, fresh = model, model if isinstance(model, VariableSet) else ModelVariables(model, self.found)
        if self.found is not None and fresh.are(self.found):
            return False
        self._warn_of_optimizer(getattr(model, "optimizer", None))
        self.found, self._network = fresh, network_of(model)
        self._find_averages()
        warn_of_replicas(model)
        if fresh.is_eager:
            capture(fresh, position=Position())
            self._vetting.begin(fresh)
        return True

    def check(self) -> None:
        """Warn of parts that are missing in its states, and of a traced step that trains other variables.

        Raises CheckpointIncomplete in a strict run if keepbest cannot capture a part of the model.
        """
        self._completeness.report(self.variables.missing)
        self._traced.check(self.model)

    def follow(self) -> None:
        """Add the variables that the first step has built, and read all once, so that tracing delays no validation."""
        variables = self.variables
        if variables.follow():
            self._vetting.begin(variables)
            self._completeness.report(variables.missing)
        if variables.is_eager:
            capture(variables, position=Position())
            self._vetting.begin(variables)

    def may_train(self, model: Any) -> bool:
        """Whether `model` is the one of `take_up` and still has all variables of its network, or none was taken up.

        It may have more variables by now, and another optimizer. Another object counts if it has exactly these
        variables.
        """
        if self.found is None:
            return True
        before, now = ({id(item) for item in network} for network in (self._network, network_of(model)))
        return before <= now if model is self.model else before == now

    def find_inputs(self) -> Inputs | None:
        """Return the form of the model's inputs, from the source that knows it best."""
        return (self._references and self._references.inputs) or of_fit(self.model) or of_model(self.model)

    # States

    def capture(self, position: Position) -> State:
        """Return the present state, by reference: this copies no value."""
        variables = self.variables
        if not variables.is_eager:  # before a graph's variables had values, `begin` could read none
            self._vetting.begin(variables)
        state = capture(variables, position=position, stopper=self._run.stopper.state())
        if self._has_averages and self._averaged is not variables.specs:
            self._find_averages()
        state = replace(state, callbacks=self.carried.capture(), averages=self.averages)
        return state if self.swaps is None else self.swaps.complete(state, self.model)

    def predict(self, state: State, *, is_present: bool = True) -> State:
        """Return `state` with the network's predictions for the reference examples, if the run has any."""
        if self._references is None or not self._references.is_kept:
            return state
        predictions = self._references.predict(self.model, self.variables, state, is_present=is_present)
        return replace(state, predictions=predictions)

    def put(self, state: State) -> None:
        """Give every variable its value in `state`, for measuring and predictions."""
        self.variables.put(use(state))
        self._note_put()

    def go_back(self, state: State, values: State | None = None) -> None:
        """Put a whole state back, random states included, to train on from it; `values` may replace its values.

        Raises CheckpointMismatch, and changes nothing, if the state is that of another model.
        """
        self.carried.check(state.callbacks)
        roll_back(self.variables, values or state)
        self.carried.restore(state.callbacks)
        self._note_put()

    def measured(self) -> AbstractContextManager[None]:
        """Give the model the weights that a validation measures: with a selector that needs them, the averages."""
        return put_in_place(self.variables, self.averages)

    def _note_put(self) -> None:
        if self.swaps is not None:
            self.swaps.note_put()

    def _find_averages(self) -> None:
        """Find out which variable is the average of which; again if the model has built others since."""
        self._averaged = self.variables.specs
        self.averages = find_averages(self.model) if self._has_averages else {}

    def _warn_of_optimizer(self, optimizer: Any) -> None:
        """Warn that the best's optimizer state cannot be used if the model has another optimizer since."""
        before, self._optimizer = self._optimizer, optimizer
        best_step, _ = self._run.stopper.best
        if before is not None and optimizer is not before and best_step is not None:
            _log.warning(
                "keepbest: the model was compiled anew, with %s after %s. The network of the best so far, of step %d, "
                "can still be restored; the state of its optimizer cannot: there %s begins anew.",
                *(type(item).__name__ for item in (optimizer, before)),
                best_step,
                type(optimizer).__name__,
            )
