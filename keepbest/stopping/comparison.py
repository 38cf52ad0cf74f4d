"""Policies compared over runs: what each would have saved and lost, and which one to take.

An outcome is censored if the policy would have gone on past the end of the record, where perhaps a person ended the
run. Such an outcome is counted, but says nothing of what the policy saves or loses. A policy that is scored on the runs
that it was chosen on looks too good. So the choice is also tried on each run in turn, after a choice on all the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from keepbest.figures import figure
from keepbest.stopping.replay import PolicyOutcome, Status

#: The policies to compare if the user names none: patience from very short to very long.
CANDIDATES = tuple(f"patience(checks={checks})" for checks in (2, 3, 5, 7, 10, 15, 20, 30, 50))
#: A policy's loss is this percentile over the runs: one bad run in ten is tolerated.
LOSS_PERCENTILE = 0.9
#: A policy is recommended only if it saves at least this share of the steps in the median run.
MIN_SHARE_SAVED = 0.01


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One policy over several runs. What it saves (medians), loses and keeps counts the runs in which it stops.

    `lost` is the 90th percentile, the loss of an actual run, and infinite if nothing was kept. The medians and `lost`
    are None if the policy stops in no run.
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
    """The place in the list of the policy to take (None: no policy), and why. `held_out` tries it on unseen runs."""

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
        lost=find_percentile(
            [math.inf if outcome.value_lost is None else outcome.value_lost for outcome in stopped], LOSS_PERCENTILE
        ),
    )


def find_percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of the values do not exceed; None of no values."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else None


def find_front(summaries: Sequence[Summary]) -> set[int]:
    """Return the places of the Pareto front: the policies that no other beats in saving or loss and equals in the rest.

    Policies that save and lose the same are all on the front.
    """
    points = {
        place: (row.share_saved, -row.lost)
        for place, row in enumerate(summaries)
        if row.share_saved is not None and row.lost is not None
    }
    return {
        place
        for place, (saved, gained) in points.items()
        if not any(other != (saved, gained) and other[0] >= saved and other[1] >= gained for other in points.values())
    }


def recommend(labels: Sequence[str], table: Sequence[Sequence[PolicyOutcome]], tolerate: float = 0.0) -> Recommendation:
    """Recommend the policy that saves most among those that lose at most `tolerate`, if it saves enough.

    `table` holds the outcomes of each policy, one for each run, all in the same order.
    """
    rows = [summarize(outcomes) for outcomes in table]
    place = choose(rows, tolerate)
    if place is None:
        return Recommendation(place=None, message=_say_unknown(rows))
    row, label = rows[place], labels[place]
    if not _is_within(row, tolerate):
        return Recommendation(place=None, message=_say_all_lose(label, row, rows))
    if (row.share_saved or 0.0) < MIN_SHARE_SAVED:
        return Recommendation(place=None, message=_say_none_saves(label, row, tolerate))
    held_out = hold_out(table, tolerate)
    take = f"{label} would have {_say_kept(row)} and saved {say_share(row.share_saved)} of the steps."
    message = f"{take}{_say_censored(row)} {_say_held_out(held_out)}"
    return Recommendation(place=place, message=message, held_out=held_out)


def choose(rows: Sequence[Summary], tolerate: float) -> int | None:
    """Return the place of the best row: first by loss within `tolerate`, then by what it saves.

    A policy with more censored outcomes than stops is not known well enough. None if that is so of all policies.
    """

    def rank(place: int) -> tuple[float, float, int, int]:
        row = rows[place]
        lost = 0.0 if _is_within(row, tolerate) else row.lost or 0.0
        return lost, -(row.share_saved or 0.0), -row.kept_best, place

    return min((place for place, row in enumerate(rows) if _is_known(row)), key=rank, default=None)


def hold_out(table: Sequence[Sequence[PolicyOutcome]], tolerate: float) -> Summary | None:
    """Leave out each run in turn, choose on the others, and summarize the choices; None for fewer than two runs."""
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


def _is_within(row: Summary, tolerate: float) -> bool:
    return (row.lost or 0.0) <= tolerate * (1 + 1e-9)


def _median(values: Iterable[float]) -> float | None:
    result = list(values)
    return median(result) if result else None


def _say_kept(row: Summary) -> str:
    of = f" in {row.kept_best} of {row.stopped} runs" if row.stopped > 1 else ""
    if row.kept_best == row.stopped or not row.lost:
        return f"kept the same best{of}"
    return (
        f"kept the same best{of}, lost {figure(row.lost, 4)} at most in nine of ten"
        if of
        else f"lost {figure(row.lost, 4)}"
    )


def _say_censored(row: Summary) -> str:
    if not row.censored:
        return ""
    share = f"{row.censored} of {row.stopped + row.censored}"
    return f" In {share} it would not have stopped by the end of the record; what would come later is not known."


def _say_held_out(held_out: Summary | None) -> str:
    if held_out is None:
        return "The choice was made on one run only: replay more runs before you trust it."
    if not held_out.stopped:
        return "Tried on each run after a choice on the others, the choice stopped no run: replay more runs."
    kept = f"kept the best in {held_out.kept_best} of {held_out.stopped}"
    saved = f"saved {say_share(held_out.share_saved)} of the steps"
    return f"Tried on each run after a choice on the others, the choice {kept} and {saved}."


def _say_unknown(rows: Sequence[Summary]) -> str:
    if any(row.censored for row in rows):
        return "Most of these runs end before any of these policies stops: what the policies would save is not known."
    return "No policy can be replayed on these runs."


def _say_all_lose(label: str, row: Summary, rows: Sequence[Summary]) -> str:
    none = "No policy" if all(_is_known(other) for other in rows) else "No policy that stops in most of the runs"
    often = f"in {row.stopped - row.kept_best} of {row.stopped} runs" if row.stopped > 1 else "here"
    lost = f"up to {figure(row.lost, 4)}" if row.lost is not None and math.isfinite(row.lost) else "all of it"
    saved = f"it saves {say_share(row.share_saved)} of the steps and loses value {often}, {lost}"
    return f"{none} keeps the best. {label} comes nearest: {saved}."


def _say_none_saves(label: str, row: Summary, tolerate: float) -> str:
    within = f"lose at most {figure(tolerate)}" if tolerate else "keep the best"
    saved = row.share_saved or 0.0
    most = f"{label} saves the most, {say_share(saved)} of the steps" if saved > 0 else "none saves a step"
    message = f"No policy here saves enough to matter: of those that {within}, {most}."
    return f"{message}{_say_censored(row)} The runs' own stopper is as good."


def say_share(share: float | None) -> str:
    """Return a share in whole percent. Below one percent it has two digits, and is never rounded up to one."""
    percent = 100 * (share or 0.0)
    if 0 < abs(percent) < 1:
        digits = 1 - math.floor(math.log10(abs(percent)))
        return f"{figure(math.trunc(percent * 10**digits) / 10**digits)} %"
    return f"{percent:.0f} %"
