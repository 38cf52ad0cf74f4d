"""The selectors: pure rules over the candidates of a run. Those that average call `measure`, and say each trial."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from keepbest.errors import InvalidInput
from keepbest.selection.candidates import Candidate, Measure, MeasuredAverage, SelectorOutcome, is_as_good, rank
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.policies.params import check_params, number, whole
from keepbest.stopping.registry import declared_params, nearest
from keepbest.stopping.validation import Mode

#: Each candidate is a model on disk, and is read and measured at the end.
MAX_CANDIDATES = 100


@dataclass(frozen=True, kw_only=True)
class Selector(ABC):
    """A frozen rule; its parameters are declared as those of stopping policies are."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_params(self)

    @property
    def is_usual(self) -> bool:
        """Whether it selects what the run holds for its best anyway: then nothing is done at the end."""
        return False

    @property
    def measures_averages(self) -> bool:
        """Whether each validation is one at a running average of the weights, which is what a checkpoint gives."""
        return False

    @abstractmethod
    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        """Return those that may yet be selected, or be a part of it: retention keeps them."""

    def wants(self, validation: Candidate, candidates: Sequence[Candidate], mode: Mode) -> bool:
        """Whether a validation that is not the best has to be kept on disk too."""
        return False

    @abstractmethod
    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        """Return what is selected at the end; None where there is nothing to select from."""

    def to_json(self) -> dict[str, Any]:
        """Return name and parameters, every one of them written out."""
        return {
            "name": self.name,
            "params": {param_info.name: getattr(self, param_info.name) for param_info in declared_params(type(self))},
        }


@dataclass(frozen=True, kw_only=True)
class Best(Selector):
    """The first strict raw best."""

    name: ClassVar[str] = "best"

    @property
    def is_usual(self) -> bool:
        return True

    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        return rank(candidates, mode)[:1]

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        result = rank(candidates, mode)[:1]
        return SelectorOutcome(tuple(result), result[0].value, "the first strict best") if result else None


@dataclass(frozen=True, kw_only=True)
class Ema(Best):
    """The best of validations at an exponential moving average of the weights; training itself goes on with the raw
    ones.

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992; here, as in Keras' optimizers,
    with weights that fall off exponentially.
    """

    name: ClassVar[str] = "ema"

    momentum: float = number("what the average keeps of itself at each step", at_least=0, below=1, default=0.999)

    @property
    def is_usual(self) -> bool:
        return False

    @property
    def measures_averages(self) -> bool:
        return True

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        selector_outcome = super().select(candidates, mode, measure)
        return (
            replace(selector_outcome, message="its averaged weights, as they were measured at the validation")
            if selector_outcome
            else None
        )


@dataclass(frozen=True, kw_only=True)
class OneStandardError(Selector):
    """The earliest validation within `z` standard errors of the best: what is later is not known to be better.

    Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, where the rule chooses the smallest
    tree. For values that are a share of n examples. The earliest such validation was the best when it came, so it is on
    disk.
    """

    name: ClassVar[str] = "one_standard_error"

    z: float = number("standard errors below the best that are as good", at_least=0, default=1.0)
    scale: float = number("the value of all examples: 1, or 100 for percent", above=0, default=1.0)

    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        ranked = rank(candidates, mode)
        if not ranked:
            return []
        limit = self._limit(ranked[0], mode)
        return [candidate for candidate in ranked if is_as_good(candidate.value, limit, mode)]

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        eligible = self.find_eligible(candidates, mode)
        if not eligible:
            return None
        best, first = eligible[0], min(eligible, key=lambda candidate: candidate.step)
        return SelectorOutcome((first,), first.value, self._explain(best, first))

    def _error(self, best: Candidate) -> float:
        return self.scale * standard_error(best.value / self.scale, best.n)

    def _limit(self, best: Candidate, mode: Mode) -> float:
        margin = self.z * self._error(best)
        return best.value - margin if mode == "max" else best.value + margin

    def _explain(self, best: Candidate, first: Candidate) -> str:
        if best.n is None:
            return "the best stays: the number of validation examples is not known"
        if not 0 <= best.value <= self.scale:
            return f"the best stays: {best.value:.6g} is no share of {self.scale:g}"
        within = f"{self.z:g} standard errors ({self._error(best):.3g} each)"
        if first is best:
            return f"no validation before the best is within {within} of it"
        return f"the earliest validation within {within} of the best, {best.value:.6g} at step {best.step}"


class Averaging(Selector):
    """What those share that average the weights of validations: the `k` best are kept, and may be a part of it."""

    k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k > MAX_CANDIDATES:
            raise InvalidInput(f"k must be at most {MAX_CANDIDATES}, but got {self.k}.", field="k")

    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        return rank(candidates, mode)[: self.k]

    def wants(self, validation: Candidate, candidates: Sequence[Candidate], mode: Mode) -> bool:
        return validation in self.find_eligible([*candidates, validation], mode)

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        ranked = self.find_eligible(candidates, mode)
        if len(ranked) > 1:
            return self._average(ranked, mode, measure)
        message = "the best stays: there is nothing to average it with"
        return SelectorOutcome((ranked[0],), ranked[0].value, message) if ranked else None

    @abstractmethod
    def _average(self, ranked: Sequence[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome:
        """Return what is selected of two or more, the best first."""


@dataclass(frozen=True, kw_only=True)
class TopKAverage(Averaging):
    """The average of the weights of the `k` best validations, where it is not worse than the best of them."""

    name: ClassVar[str] = "top_k_average"

    k: int = whole("validations that are averaged", at_least=2, default=3)

    def _average(self, ranked: Sequence[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome:
        best = ranked[0]
        trial = _try(ranked, best.value, mode, measure)
        if trial.value is None or not trial.is_kept:
            return SelectorOutcome((best,), best.value, f"the best stays: {_say(trial)}", (trial,))
        return SelectorOutcome(trial.made_of, trial.value, _say(trial), (trial,))


@dataclass(frozen=True, kw_only=True)
class GreedySoup(Averaging):
    """The average of those of the `k` best validations that do not make it worse, tried one by one, the best first.

    Wortsman et al., Model soups, ICML 2022, recipe 1, with checkpoints of one run in place of runs.
    """

    name: ClassVar[str] = "greedy_soup"

    k: int = whole("validations that are tried", at_least=2, default=5)

    def _average(self, ranked: Sequence[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome:
        soup, value, message = tuple(ranked[:1]), ranked[0].value, "the best stays: every average was worse"
        trials: list[MeasuredAverage] = []
        for candidate in ranked[1:]:
            trial = _try((*soup, candidate), value, mode, measure)
            trials.append(trial)
            if trial.value is not None and trial.is_kept:
                soup, value, message = trial.made_of, trial.value, _say(trial)
        return SelectorOutcome(soup, value, message, tuple(trials))


_KINDS: tuple[type[Selector], ...] = (Best, OneStandardError, TopKAverage, GreedySoup, Ema)
SELECTORS: dict[str, type[Selector]] = {kind.name: kind for kind in _KINDS}


def get_kind(name: object, *, field: str = "selector.name") -> type[Selector]:
    """Return the selector of that name, or raise InvalidInput with the nearest right one."""
    if isinstance(name, str) and name in SELECTORS:
        return SELECTORS[name]
    raise InvalidInput(f"There is no selector {name!r}.", field=field, hint=nearest(str(name), SELECTORS))


def build(spec: Mapping[str, Any], *, field: str = "selector") -> Selector:
    """Make a selector of its JSON form, or raise InvalidInput that names the wrong field below `field`."""
    kind = get_kind(spec.get("name"), field=f"{field}.name")
    params = {name: value for name, value in (spec.get("params") or {}).items() if value is not None}
    declared = [param_info.name for param_info in declared_params(kind)]
    for name in params:
        if name not in declared:
            message, hint = f"{kind.name} has no parameter {name!r}.", nearest(str(name), declared)
            raise InvalidInput(message, field=f"{field}.params.{name}", hint=hint)
    try:
        return kind(**params)
    except InvalidInput as error:
        raise InvalidInput(error.message, field=f"{field}.params.{error.field}", hint=error.hint) from None


def _try(made_of: Sequence[Candidate], than: float, mode: Mode, measure: Measure) -> MeasuredAverage:
    value = measure(made_of)
    return MeasuredAverage(tuple(made_of), value, is_as_good(value, than, mode))


def _say(trial: MeasuredAverage) -> str:
    steps = ", ".join(str(candidate.step) for candidate in trial.made_of)
    value = "has no value" if trial.value is None else f"gives {trial.value:.6g}"
    return f"the average of steps {steps} {value}"
