"""What the runs of the case study say, as tables for a page. Nothing is trained or asked here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from keepbest.contract.replays import Replay, ReplayedPolicy
from keepbest.contract.validations import RecordedValidation
from keepbest.stopping.comparison import LOSS_PERCENTILE, find_percentile
from keepbest.stopping.policies.noise import standard_error
from keepbest.stopping.statistics import wilson
from tests.tutorials.systems import Outcome
from tests.tutorials.table import machine, make_row

RUNS = (
    "seed",
    "best of all",
    "1000steps stops at",
    "and keeps",
    "test at the best of all (95 %, Wilson)",
    "restored in a fresh process",
)
POLICIES = (
    "policy",
    "stops at: median (range)",
    "steps saved: median",
    "images lost: median, 90 %",
    "behind the best of all: median, most",
    "nothing lost in",
    "goes on to the end in",
    "",
)


@dataclass(frozen=True)
class Study:
    """The runs in the order of the replays' runs; `lenient` tolerates a loss of `tolerated`, `strict` none."""

    outcomes: Sequence[Outcome]
    strict: Replay
    lenient: Replay
    tolerated: float

    @property
    def validation_size(self) -> int:
        return find_validation_size(self.outcomes)


def find_validation_size(outcomes: Sequence[Outcome]) -> int:
    """Return how many examples a validation judges; raises AssertionError where the worker did not say."""
    size = outcomes[0].validations[0].n
    assert size is not None, "a recipe's validations say how many examples they judge"
    return size


def find_noise(outcomes: Sequence[Outcome]) -> float:
    """Return one standard error of the runs' median best."""
    best = median(value for got in outcomes if (value := got.run.best_value) is not None)
    error = standard_error(best, find_validation_size(outcomes))
    assert error is not None, "accuracy is a share of the examples"
    return error


def tell(study: Study) -> Iterator[str]:
    """Yield the lines that the page has between its markers."""
    yield from ("", _tell_circumstances(study), "", "### The runs", "", *_head(RUNS))
    for outcome, replayed in zip(study.outcomes, study.strict.runs, strict=True):
        yield make_row(_run_cells(outcome, replayed.own_stop))
    yield from ("", "### The policies", "", *_head(POLICIES))
    for place, policy in enumerate(study.strict.policies):
        yield make_row([*_policy_cells(study, policy), _mark(study, place)])
    yield from ("", "### Which one to take", "", *_head(("loss that is borne", "what `keepbest replay` recommends")))
    yield make_row(["none", study.strict.message])
    images = study.tolerated * study.validation_size
    yield make_row([f"one standard error: {study.tolerated:.4f}, {images:.0f} images", study.lenient.message])
    yield ""


def _tell_circumstances(study: Study) -> str:
    runs = [outcome.run for outcome in study.outcomes]
    began = min(run.started_at for run in runs if run.started_at)
    ended = max(run.ended_at for run in runs if run.ended_at)
    asked = f"{runs[0].spec.max_steps:,} steps of {runs[0].spec.data}, a validation each {runs[0].spec.validate_every}"
    looked = f"{asked} at {study.validation_size:,} images"
    minutes = (ended - began).total_seconds() / 60
    return f"Measured on {datetime.now(UTC):%Y-%m-%d}, {machine()}: {looked}; {minutes:.0f} minutes in all."


def _head(titles: Sequence[str]) -> list[str]:
    return [make_row(titles), make_row(["---"] * len(titles))]


def _run_cells(got: Outcome, own_stop: int | None) -> list[str]:
    kept = find_kept(got, own_stop)
    accuracy = got.test("accuracy")
    interval = wilson(accuracy, got.test_size)
    assert interval is not None, "accuracy is a share of the examples"
    return [
        f"{got.run.spec.seed}",
        f"{got.run.best_value:.2%} at {got.run.best_step:,}",
        "not by the end" if own_stop in (None, got.run.step) else f"{own_stop:,}",
        f"{kept.value:.2%} at {kept.step:,}",
        f"{accuracy:.2%} ({interval.low:.2%} to {interval.high:.2%})",
        "to the last bit" if got.receipt.equal else f"differs by {got.receipt.difference!r}",
    ]


def find_kept(got: Outcome, stop: int | None) -> RecordedValidation:
    """Return the best validation of those up to a step, of equals the first."""
    validations = (
        validation
        for validation in got.validations
        if validation.value is not None and (stop is None or validation.step <= stop)
    )
    return max(validations, key=lambda validation: (validation.value, -validation.step))


def _policy_cells(study: Study, policy: ReplayedPolicy) -> list[str]:
    outcomes, summary = policy.outcomes, policy.summary
    stops = [one.stop_step for one in outcomes if one.stop_step is not None]
    lost = [one.examples_lost for one in outcomes if one.examples_lost is not None]
    regret = [round(one.regret * study.validation_size) for one in outcomes if one.regret is not None]
    ends = [run.end_step for run in study.strict.runs]
    gone_on = sum(one.status == "censored" or one.stop_step == end for one, end in zip(outcomes, ends, strict=True))
    known = summary.runs - summary.inconclusive
    return [
        f"`{policy.stopper}`",
        f"{median(stops):,.0f} ({min(stops):,} to {max(stops):,})" if stops else "",
        f"{summary.steps_saved:,.0f}" if summary.steps_saved is not None else "",
        f"{median(lost):.0f}, {find_percentile(lost, LOSS_PERCENTILE)}" if lost else "",
        f"{median(regret):.0f}, {max(regret)}" if regret else "",
        f"{summary.kept_best} of {summary.stopped}",
        f"{gone_on} of {known}",
    ]


def _mark(study: Study, place: int) -> str:
    """Say who recommends the policy, or that no other saves as much and loses less."""
    chosen = [
        words
        for words, found in (("no loss", study.strict), ("one error", study.lenient))
        if found.recommended == place
    ]
    if chosen:
        return f"**recommended**: {' and '.join(chosen)}"
    return "front" if study.strict.policies[place].on_front else ""
