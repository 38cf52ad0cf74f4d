"""What a next attempt may go on from stays: what the tracker named, and what it may have heard of since."""

from __future__ import annotations

from keepbest.contract.batches import BatchReceipt
from keepbest.tracking.held_resume_points import ResumePoints

A, B, C, D = (letter * 12 for letter in "abcd")


def named(checkpoint: str | None) -> BatchReceipt:
    return BatchReceipt(accepted=True, last_number=1, resume_checkpoint=checkpoint)


def told(*checkpoints: str) -> ResumePoints:
    departures = ResumePoints()
    for checkpoint in checkpoints:
        departures.add(checkpoint)
    return departures


def test_all_that_was_told_counts_until_the_tracker_names_one() -> None:
    departures = told(A, B, C)
    assert departures.find(None, is_away=False) == [A, B, C]
    assert departures.find(named(None), is_away=False) == [A, B, C]
    assert departures.find(named(B), is_away=False) == [B, C]
    departures.add(D)
    assert departures.find(named(B), is_away=False) == [B, C, D]
    assert departures.find(named(D), is_away=False) == [D]


def test_checkpoints_told_in_an_outage_do_not_fill_the_disk() -> None:
    departures = told(A, B)
    assert departures.find(named(A), is_away=False) == [A, B]  # B may be on its way
    departures.add(C)
    assert departures.find(named(A), is_away=True) == [A, B]
    departures.add(D)
    assert departures.find(named(A), is_away=False) == [A, B, C, D]  # it is back, and hears of all of them
    assert departures.find(named(D), is_away=True) == [D]


def test_the_tracker_may_name_one_from_before() -> None:
    """A roll back to an older checkpoint: the next attempt would go on there."""
    departures = told(B)
    assert departures.find(named(B), is_away=False) == [B]
    assert departures.find(named(A), is_away=False) == [A, B]


def test_the_starting_checkpoint_stays_though_nothing_was_heard() -> None:
    """validations: 23 entries instead of 30: a tracker that was away all the time had the next attempt go on at A."""
    departures = told(A, B)
    departures.begin_at(A)
    assert departures.find(None, is_away=True) == [A]
    assert departures.find(named(None), is_away=True) == [A]
    assert departures.find(named(B), is_away=False) == [B]
