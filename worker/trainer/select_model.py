"""Selects the model of a run whose selector is not simply the best: makes averages of checkpoints and measures them.

The selector itself is pure (`keepbest.selection`). This module makes the averages that it asks for, measures their
batch normalization anew, and then the monitor on the validation set. The run reports each such measurement, because it
is one more validation on the same examples. The selected model is on disk and marked before the run ends, and the one
message that ends the run reports it. After a kill, the next attempt selects again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from keepbest.checkpoint import Store, load
from keepbest.checkpoint.upkeep.retention import find_candidates
from keepbest.contract.base import new_id
from keepbest.contract.policies import SelectorSpec
from keepbest.contract.selections import Selection, SelectionCandidate, SelectionTrial
from keepbest.selection.average import Sum
from keepbest.selection.candidates import Candidate, MeasuredAverage, SelectorOutcome, is_as_good
from keepbest.selection.selectors import Selector
from keepbest.snapshots.state import State, variables_of
from keepbest.stopping import Validation
from keepbest.training.best_keeper import BestKeeper
from keepbest.training.spec import Training
from worker.trainer import batch_norm
from worker.trainer.agent_pipe import HandedBack
from worker.trainer.batches import BatchSource
from worker.trainer.evaluate import Probe

_log = logging.getLogger("keepbest.trainer")


class Selecting:
    """Selects among the checkpoints of a run, and measures averages in its model."""

    def __init__(
        self,
        selector: Selector,
        keeper: BestKeeper,
        store: Store,
        training: Training,
        feed: BatchSource,
        gauge: Probe,
        leaving: threading.Event,
    ) -> None:
        self._selector = selector
        self._keeper = keeper
        self._run = keeper.run
        self._store = store
        self._training = training
        self._feed = feed
        self._leaving = leaving
        self._gauge = gauge
        self._measured: list[MeasuredAverage] = []
        #: The sum of the weights of the checkpoints in `_summed` (ids); memory holds no other candidate's weights.
        self._sum = Sum()
        self._summed: list[str] = []
        #: The best average so far with the measured values, and its monitored value.
        self._made: dict[tuple[str, ...], State] = {}
        self._reached: float | None = None
        self._normalized = batch_norm.find_layers(training.model)
        self._batches = batch_norm.count_batches(feed)

    def select(self, best: State) -> tuple[State, Selection | None]:
        """Return the state to use, put into the model, and what was done; the best where that is what is selected.

        `best` must be on disk. Raises HandedBack where the worker leaves meanwhile.
        """
        candidates = find_candidates(self._store.manifests(self._run.id))
        mode = self._run.stopper.policy.mode
        try:
            outcome = self._selector.select(candidates, mode, lambda made_of: self._measure(best, made_of))
            chosen = self._settle(best, outcome) if outcome is not None else best
        except Exception as error:  # an error after the training must not lose the training
            _log.exception("The selector met an error: the best stays.")
            outcome, chosen = self._stay(best, candidates, error), best
            self._keeper.live.put(best)
        if outcome is None:
            return best, None
        _log.info("Selected by %s: %s.", self._selector.name, outcome.message)
        return chosen, self._describe(best, chosen, outcome, self._selector.find_eligible(candidates, mode))

    def _stay(self, best: State, candidates: Sequence[Candidate], error: Exception) -> SelectorOutcome | None:
        message = f"the best stays: {error}".splitlines()[0]
        same = [candidate for candidate in candidates if candidate.id == best.id]
        return SelectorOutcome((same[0],), same[0].value, message, tuple(self._measured)) if same else None

    # Averages

    def _measure(self, best: State, made_of: Sequence[Candidate]) -> float | None:
        """Return the monitored value of the average; None if the metric is missing, or a bound is broken."""
        self._check_stay()
        state = self._blend(best, made_of)
        self._keeper.live.put(state)
        values = self._gauge.measure(self._training.model).values
        policy, value = self._run.stopper.policy, values.get(self._run.monitor)
        if policy.find_faults(Validation(step=best.step, value=value, metrics=values)):
            value = None
        _log.info("The average of steps %s: %s", [candidate.step for candidate in made_of], values)
        self._measured.append(MeasuredAverage(tuple(made_of), value, is_kept=False))
        if self._reached is None or is_as_good(value, self._reached, policy.mode):
            self._reached, self._made = value, {tuple(candidate.id for candidate in made_of): state}
        return value

    def _check_stay(self) -> None:
        if self._leaving.is_set():
            raise HandedBack

    def _blend(self, best: State, made_of: Sequence[Candidate]) -> State:
        """Return the average as a state, with the optimizer, seeds and counters of the best in it."""
        *before, last = made_of
        self._sum_up(before)
        means = list(self._sum.average_with(self._read(last)))
        rest = list(best.values)[len(means) :]
        values = [value if mean is None else mean for mean, value in zip(means, best.values, strict=False)]
        blended = replace(best, id=new_id(), values=[*values, *rest])
        if not self._normalized:
            return blended
        self._keeper.live.put(blended)
        batch_norm.measure_anew(self._training.model, self._normalized, self._feed, self._batches)
        fresh = {id(statistic): statistic.numpy() for statistic in batch_norm.statistics_of(self._normalized)}
        pairs = zip(variables_of(self._training.model), blended.values, strict=True)
        return replace(blended, values=[fresh.get(id(item), value) for item, value in pairs])

    def _sum_up(self, made_of: Sequence[Candidate]) -> None:
        """Make the sum that of these candidates. A soup only grows, so this reads only the new ones."""
        if self._summed != [candidate.id for candidate in made_of[: len(self._summed)]]:
            self._sum, self._summed = Sum(), []
        for candidate in made_of[len(self._summed) :]:
            self._sum.add(self._read(candidate))
            self._summed.append(candidate.id)

    def _read(self, candidate: Candidate) -> Iterator[Any]:
        """Yield the checked values of the model in a checkpoint, one at a time."""
        manifest, _ = self._store.read_manifest(self._run.id, candidate.id)
        wanted = [variable for variable in manifest.variables if variable.collection == "model"]
        return load.iterate(self._store.folder, manifest, wanted)

    # The selection

    def _settle(self, best: State, outcome: SelectorOutcome) -> State:
        """Put the selected state into the model, write an average to the disk, and mark it there."""
        self._check_stay()
        first = outcome.made_of[0]
        if not outcome.is_average:
            state = best if first.id == best.id else self._keeper.rollback.put_back(checkpoint=first.id)
        else:
            made_of = tuple(candidate.id for candidate in outcome.made_of)
            state = self._made[made_of]  # equal to the measured one, to the last bit
            self._keeper.write_selected(state, outcome.value, first.n, made_of)
        self._keeper.live.put(state)
        self._store.folder.select(self._run.id, state.id)
        return state

    def _describe(
        self, best: State, chosen: State, outcome: SelectorOutcome, eligible: Sequence[Candidate]
    ) -> Selection:
        _, best_value = self._keeper.best
        return Selection(
            selector=SelectorSpec.model_validate(self._selector.to_json()),
            checkpoint=chosen.id,
            step=chosen.step,
            value=outcome.value,
            n=outcome.made_of[0].n,
            made_of=[candidate.id for candidate in outcome.made_of],
            best_checkpoint=best.id,
            best_step=best.step,
            best_value=outcome.value if best_value is None else best_value,
            candidates=[
                SelectionCandidate(checkpoint=candidate.id, step=candidate.step, value=candidate.value)
                for candidate in eligible
            ],
            trials=[
                SelectionTrial(
                    made_of=[part.id for part in measured_average.made_of],
                    value=measured_average.value,
                    is_kept=measured_average.is_kept,
                )
                for measured_average in outcome.trials
            ],
            batches=self._batches if self._normalized and outcome.trials else None,
            message=outcome.message[:500],
        )
