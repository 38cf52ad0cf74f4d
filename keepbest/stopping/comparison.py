"""Policies compared over runs: what each would have saved and lost, and which one to take.

A censored outcome (the policy would have gone on past the record, which a person may have ended) says nothing of what
the policy saves or loses: it is counted, and left out of both. A policy that was chosen on the runs it is scored on
validations too good, so the choice is also tried on runs that it has not seen: on each run in turn, chosen on all the
others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from keepbest.stopping.replay import PolicyOutcome, Status

#: What is tried where nobody asks for anything else: patience from very short to very long.
CANDIDATES = tuple(f"patience(checks={checks})" for checks in (2, 3, 5, 7, 10, 15, 20, 30, 50))
#: The loss that this share of the runs does not exceed is what counts: one bad run in ten is borne.
BORNE = 0.9
#: A share of the steps, in the median, below which no change of policy is worth having.
WORTH = 0.01


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One policy over several runs; what it saves (medians), loses and keeps is of those in which it stops.

    `lost` is the 90th percentile (an actual run's), infinite where nothing was kept. The medians and `lost` are None
    where it stops in none.
    """

    runs: int
    stopped: int
    censored: int
    inconclusive: int
    kept_best: int
    steps_saved: float | None
    share_saved: float | None
    seconds_saved: float | None
    lost: float | None


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """Which policy to take, by its place in the list (None: none of them), and why. `held_out` is the honest check."""

    place: int | None
    message: str
    held_out: Summary | None = None


def summarize(outcomes: Sequence[PolicyOutcome]) -> Summary:
    """Return one policy's row of the table."""
    stopped = [outcome for outcome in outcomes if outcome.status is Status.STOPPED]
    seconds = [outcome.seconds_saved for outcome in stopped if outcome.seconds_saved is not None]
    return Summary(
        runs=len(outcomes),
        stopped=len(stopped),
        censored=sum(outcome.status is Status.CENSORED for outcome in outcomes),
        inconclusive=sum(outcome.status is Status.INCONCLUSIVE for outcome in outcomes),
        kept_best=sum(outcome.keeps_best for outcome in stopped),
        steps_saved=_median(outcome.steps_saved or 0 for outcome in stopped),
        share_saved=_median(outcome.share_saved or 0.0 for outcome in stopped),
        seconds_saved=_median(seconds),
        lost=find_percentile([_lost(outcome) for outcome in stopped], BORNE),
    )


def find_percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least this share of all values do not exceed; None of no values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def find_front(summaries: Sequence[Summary]) -> set[int]:
    """Return the places of the Pareto front: no other policy saves as much and loses less, or saves more and no less.

    Of policies that save and lose the same all are on it.
    """
    points = {
        place: (row.share_saved, -row.lost)
        for place, row in enumerate(summaries)
        if row.share_saved is not None and row.lost is not None
    }
    return {place for place, point in points.items() if not any(_beats(other, point) for other in points.values())}


def recommend(labels: Sequence[str], table: Sequence[Sequence[PolicyOutcome]], tolerate: float = 0.0) -> Recommendation:
    """Choose a policy: of those whose loss stays within `tolerate`, the one that saves most, if that is worth having.

    `table` holds for each policy its outcomes, one a run, all in the same order.
    """
    rows = [summarize(outcomes) for outcomes in table]
    place = choose(rows, tolerate)
    if place is None:
        return Recommendation(place=None, message=_say_unknown(rows))
    row, label = rows[place], labels[place]
    if not _is_within(row, tolerate):
        return Recommendation(place=None, message=_say_all_lose(label, row, rows))
    if (row.share_saved or 0.0) < WORTH:
        return Recommendation(place=None, message=_say_none_saves(label, row, tolerate))
    held_out = hold_out(table, tolerate)
    return Recommendation(place=place, message=_say_take(label, row, held_out), held_out=held_out)


def choose(rows: Sequence[Summary], tolerate: float) -> int | None:
    """Return the place of the best row: first by loss within `tolerate`, then by what it saves.

    A policy that stops in fewer runs than it would have gone on past the end of is not known well enough. None where
    that holds of all.
    """
    known = [place for place, row in enumerate(rows) if _is_known(row)]
    return min(known, key=lambda place: (*_rank(rows[place], tolerate), place), default=None)


def hold_out(table: Sequence[Sequence[PolicyOutcome]], tolerate: float) -> Summary | None:
    """Return how the choice does on runs it was not made on, each run left out in turn; None of fewer than two."""
    runs = len(table[0]) if table else 0
    if runs < 2:
        return None
    tried = []
    for left_out in range(runs):
        rest = [summarize([*outcomes[:left_out], *outcomes[left_out + 1 :]]) for outcomes in table]
        place = choose(rest, tolerate)
        if place is not None:
            tried.append(table[place][left_out])
    return summarize(tried)


def _is_known(row: Summary) -> bool:
    return row.lost is not None and row.stopped >= row.censored


def _rank(row: Summary, tolerate: float) -> tuple[float, float, float]:
    lost = row.lost or 0.0
    return (0.0 if _is_within(row, tolerate) else lost, -(row.share_saved or 0.0), -row.kept_best)


def _is_within(row: Summary, tolerate: float) -> bool:
    return (row.lost or 0.0) <= tolerate * (1 + 1e-9)


def _beats(other: tuple[float, float], point: tuple[float, float]) -> bool:
    return other != point and other[0] >= point[0] and other[1] >= point[1]


def _lost(outcome: PolicyOutcome) -> float:
    return math.inf if outcome.value_lost is None else outcome.value_lost


def _median(values: Iterable[float]) -> float | None:
    result = list(values)
    return median(result) if result else None


def _say_take(label: str, row: Summary, held_out: Summary | None) -> str:
    message = f"{label} would have {_say_kept(row)} and saved {say_share(row.share_saved)} of the steps."
    return f"{message}{_say_censored(row)} {_say_held_out(held_out)}"


def _say_kept(row: Summary) -> str:
    of = f" in {row.kept_best} of {row.stopped} runs" if row.stopped > 1 else ""
    if row.kept_best == row.stopped or not row.lost:
        return f"kept the same best{of}"
    return f"kept the same best{of}, lost {row.lost:.4g} at most in nine of ten" if of else f"lost {row.lost:.4g}"


def _say_censored(row: Summary) -> str:
    if not row.censored:
        return ""
    share = f"{row.censored} of {row.stopped + row.censored}"
    return f" In {share} it would not have stopped by the end of the record: what it does there is not known."


def _say_held_out(held_out: Summary | None) -> str:
    if held_out is None:
        return "That is one run, and the choice was made on it: replay more runs before you trust it."
    if not held_out.stopped:
        return "Chosen on the others and tried on each run in turn it stopped in none: replay more runs."
    kept = f"the best in {held_out.kept_best} of {held_out.stopped}"
    return f"Chosen on the others and tried on each run in turn: {kept}, {say_share(held_out.share_saved)} saved."


def _say_unknown(rows: Sequence[Summary]) -> str:
    if any(row.censored for row in rows):
        return "Most of these records end before any of these policies stops: what they would save is not known."
    return "No policy can be replayed on these runs."


def _say_all_lose(label: str, row: Summary, rows: Sequence[Summary]) -> str:
    none = "None of these" if all(_is_known(other) for other in rows) else "Of those that stop in most of the runs none"
    often = f"in {row.stopped - row.kept_best} of {row.stopped} runs" if row.stopped > 1 else "here"
    lost = f"up to {row.lost:.4g}" if row.lost is not None and math.isfinite(row.lost) else "all of it"
    saved = f"it saves {say_share(row.share_saved)} of the steps and loses value {often}, {lost}"
    return f"{none} keeps the best. {label} comes nearest: {saved}."


def _say_none_saves(label: str, row: Summary, tolerate: float) -> str:
    within = f"lose at most {tolerate:g}" if tolerate else "keep the best"
    saved = row.share_saved or 0.0
    most = f"{label} saves the most, {say_share(saved)} of the steps" if saved > 0 else "none saves a step"
    message = f"No policy here saves anything worth having: of those that {within}, {most}."
    return f"{message}{_say_censored(row)} What the runs were stopped by is as good."


def say_share(share: float | None) -> str:
    """Return a share in percent: whole ones, and of less than one as much as it is, never rounded up to one."""
    percent = 100 * (share or 0.0)
    if 0 < abs(percent) < 1:
        digits = 1 - math.floor(math.log10(abs(percent)))
        return f"{math.trunc(percent * 10**digits) / 10**digits:g} %"
    return f"{percent:.0f} %"
