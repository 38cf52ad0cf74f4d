"""The selectors: pure rules over the candidates of a run. An averaging selector calls `measure` for each average."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from keepbest.errors import InvalidInput
from keepbest.figures import figure
from keepbest.hints import nearest
from keepbest.selection.candidates import Candidate, Measure, MeasuredAverage, SelectorOutcome, is_as_good, rank
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.policies.params import check_params, number, whole
from keepbest.stopping.registry import declared_params
from keepbest.stopping.validation import Mode

#: A limit, because each candidate is a model on disk that the run reads and measures at its end.
MAX_CANDIDATES = 100


@dataclass(frozen=True, kw_only=True)
class Selector(ABC):
    """A frozen rule that declares its parameters as stopping policies do."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_params(self)

    @property
    def is_usual(self) -> bool:
        """Whether this selector takes the run's best, so that nothing is left to do at the end."""
        return False

    @property
    def measures_averages(self) -> bool:
        """Whether validations and checkpoints use a running average of the weights."""
        return False

    @abstractmethod
    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        """Return the candidates that the selector may still choose or average; retention keeps them."""

    def wants(self, validation: Candidate, candidates: Sequence[Candidate], mode: Mode) -> bool:
        """Whether the state of a validation that is not the best must be kept on disk too."""
        return False

    @abstractmethod
    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        """Return the selected model at the end of a run; None without candidates."""

    def to_json(self) -> dict[str, Any]:
        """Return the name and every parameter."""
        return {
            "name": self.name,
            "params": {param_info.name: getattr(self, param_info.name) for param_info in declared_params(type(self))},
        }


@dataclass(frozen=True, kw_only=True)
class Best(Selector):
    """The validation with the best raw value, of equals the first."""

    name: ClassVar[str] = "best"
    #: The outcome's message.
    why: ClassVar[str] = "the first strict best"

    @property
    def is_usual(self) -> bool:
        return True

    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        return rank(candidates, mode)[:1]

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        best = tuple(self.find_eligible(candidates, mode))
        return SelectorOutcome(best, best[0].value, self.why) if best else None


@dataclass(frozen=True, kw_only=True)
class Ema(Best):
    """The best of the validations that use an exponential moving average of the weights; training uses the raw weights.

    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992. As in Keras' optimizers, older
    weights count exponentially less.
    """

    name: ClassVar[str] = "ema"
    why: ClassVar[str] = "its averaged weights, as they were measured at the validation"

    momentum: float = number("what the average keeps of itself at each step", at_least=0, below=1, default=0.999)

    @property
    def is_usual(self) -> bool:
        return False

    @property
    def measures_averages(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class OneStandardError(Selector):
    """The earliest validation within `z` standard errors of the best: no later one is known to be better.

    Breiman, Friedman, Olshen, Stone, Classification and Regression Trees, 1984, where the rule chooses the smallest
    tree. For values that are a share of n examples. The earliest such validation was the best at its time, so its state
    is on disk.
    """

    name: ClassVar[str] = "one_standard_error"

    z: float = number("standard errors below the best that are as good", at_least=0, default=1.0)
    scale: float = number("the value of all examples: 1, or 100 for percent", above=0, default=1.0)

    def find_eligible(self, candidates: Iterable[Candidate], mode: Mode) -> list[Candidate]:
        ranked = rank(candidates, mode)
        if not ranked:
            return []
        best, margin = ranked[0].value, self.z * self._find_error(ranked[0])
        limit = best - margin if mode == "max" else best + margin
        return [candidate for candidate in ranked if is_as_good(candidate.value, limit, mode)]

    def select(self, candidates: Iterable[Candidate], mode: Mode, measure: Measure) -> SelectorOutcome | None:
        eligible = self.find_eligible(candidates, mode)
        if not eligible:
            return None
        best, first = eligible[0], min(eligible, key=lambda candidate: candidate.step)
        return SelectorOutcome((first,), first.value, self._explain(best, first))

    def _find_error(self, best: Candidate) -> float:
        return self.scale * standard_error(best.value / self.scale, best.n)

    def _explain(self, best: Candidate, first: Candidate) -> str:
        if best.n is None:
            return "the best stays: the number of validation examples is not known"
        if not 0 <= best.value <= self.scale:
            return f"the best stays: {figure(best.value)} is no share of {figure(self.scale)}"
        within = f"{figure(self.z)} standard errors ({figure(self._find_error(best), 3)} each)"
        if first is best:
            return f"no validation before the best is within {within} of it"
        return f"the earliest validation within {within} of the best, {figure(best.value)} at step {best.step:,}"


class Averaging(Selector):
    """The base of the selectors that average weights: they keep the `k` best validations on disk to choose from."""

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
        """Return the outcome for two or more candidates, the best first."""


@dataclass(frozen=True, kw_only=True)
class TopKAverage(Averaging):
    """The average of the weights of the `k` best validations, unless it is worse than the best of them."""

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
    """The average of those `k` best validations that do not make it worse, tried one after another, the best first.

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
    """Build a selector from its JSON form, or raise InvalidInput that names the wrong field below `field`."""
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
    value = "has no value" if trial.value is None else f"gives {figure(trial.value)}"
    return f"the average of steps {steps} {value}"
