"""The tables of `replay`: what each policy would have done with one run, or with several."""

from __future__ import annotations

from collections.abc import Sequence

from keepbest.cli.common.formatting import at_step, number, whole
from keepbest.cli.common.output import Table
from keepbest.contract.replays import ReplayedPolicy, ReplayOutcome
from keepbest.figures import duration
from keepbest.stopping.comparison import say_share


def one_run(policies: Sequence[ReplayedPolicy], recommended: int | None) -> Table:
    """Return a table with a row for each policy: where it stops, and what it saves and loses."""
    heads = ("policy", "", ">stops at", "best @ step", ">steps saved", ">time saved", ">lost (examples)", "checkpoint")
    table = Table(heads)
    for place, policy in enumerate(policies):
        outcome = policy.outcomes[0]
        stop = whole(outcome.stop_step) if outcome.status == "stopped" else outcome.status
        best = at_step(outcome.best_value, outcome.best_step)
        time = "-" if outcome.seconds_saved is None else duration(outcome.seconds_saved)
        saved = (_steps(outcome), time, _lost(outcome), _checkpoint(outcome))
        table.add(policy.stopper, _mark(place, policy, recommended), stop, best, *saved)
    return table


def many_runs(policies: Sequence[ReplayedPolicy], recommended: int | None) -> Table:
    """Return a table with a row for each policy: its median saving, and its loss at the 90th percentile."""
    heads = ("policy", "", ">keeps the best", ">saves (median)", ">steps", ">loses (90 %)", ">censored", ">unknown")
    table = Table(heads)
    for place, policy in enumerate(policies):
        row = policy.summary
        kept = f"{row.kept_best} of {row.stopped}"
        steps = "-" if row.steps_saved is None else f"{row.steps_saved:,.0f}"
        counts = (_share_of(row.censored, row.runs), str(row.inconclusive))
        table.add(
            policy.stopper,
            _mark(place, policy, recommended),
            kept,
            _percent(row.share_saved),
            steps,
            number(row.lost),
            *counts,
        )
    return table


def _mark(place: int, policy: ReplayedPolicy, recommended: int | None) -> str:
    """Return `best` for the recommended policy, `front` for a policy on the Pareto front."""
    return "best" if place == recommended else ("front" if policy.on_front else "")


def _steps(outcome: ReplayOutcome) -> str:
    return "-" if outcome.steps_saved is None else f"{outcome.steps_saved:,} ({_percent(outcome.share_saved)})"


def _share_of(count: int, whole: int) -> str:
    return f"{count} ({_percent(count / whole)})" if count else "0"


def _percent(share: float | None) -> str:
    return "-" if share is None else say_share(share)


def _lost(outcome: ReplayOutcome) -> str:
    if outcome.value_lost is None:
        return "all" if outcome.status == "stopped" else "-"
    if outcome.value_lost == 0:
        return "nothing"
    examples = "" if outcome.examples_lost is None else f" ({outcome.examples_lost:,})"
    return f"{number(outcome.value_lost)}{examples}"


def _checkpoint(outcome: ReplayOutcome) -> str:
    if outcome.has_checkpoint is None:
        return "-"
    if outcome.has_checkpoint:
        return "kept"
    near = outcome.nearest_checkpoint
    return "none" if near is None else f"nearest {near:,}"
