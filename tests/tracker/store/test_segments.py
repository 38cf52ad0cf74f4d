"""Segments: a history that branches, and which of it is alive."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Connection

from keepbest.errors import Conflict, InvalidInput
from tests.support.store import add_checkpoint, begin, claim, kinds, later, open_segment, release, submit
from tracker.store import leases, runs, segments


@dataclass(frozen=True)
class Stretch:
    number: int
    parent: int | None
    start_step: int


START = Stretch(0, None, 0)
ROLLED = [START, Stretch(1, 0, 300)]
TWICE = [*ROLLED, Stretch(2, 1, 400)]
FARTHER = [*ROLLED, Stretch(2, 0, 100)]  # back to before where segment 1 branched off: all of 1 is a ghost
AGAIN = [*ROLLED, Stretch(2, 0, 300)]  # to the same step once more, maybe with another learning rate
CHANGED = [*ROLLED, Stretch(2, 1, 300)]  # to what the roll back before wrote when it had changed something
ON_TAIL = [START, Stretch(1, 0, 100), Stretch(2, 0, 300)]  # to a best of the tail that the first one left
AFRESH = [START, Stretch(1, None, 0)]  # crashed before any checkpoint: the first try is a ghost from its first step

PATHS: list[tuple[list[Stretch], dict[int, int | None]]] = [
    ([], {}),
    ([START], {0: None}),
    (ROLLED, {0: 300, 1: None}),
    (TWICE, {0: 300, 1: 400, 2: None}),
    (FARTHER, {0: 100, 2: None}),
    (AGAIN, {0: 300, 2: None}),
    (CHANGED, {0: 300, 1: 300, 2: None}),
    (ON_TAIL, {0: 300, 2: None}),
    (AFRESH, {1: None}),
    ([Stretch(1, 1, 0)], {1: None}),
]


@pytest.mark.parametrize(("stretches", "ends"), PATHS)
def test_the_living_path_leads_back_from_the_newest(stretches: list[Stretch], ends: dict[int, int | None]) -> None:
    assert segments.living_path(stretches).ends == ends


GHOSTS = [(ROLLED, 0, 300, False), (ROLLED, 0, 301, True), (ROLLED, 1, 999, False), (FARTHER, 1, 300, True)]
GHOSTS += [(ON_TAIL, 0, 300, False), (ON_TAIL, 1, 101, True), (CHANGED, 1, 301, True), (AGAIN, 1, 300, True)]


@pytest.mark.parametrize(("stretches", "segment", "step", "ghost"), GHOSTS)
def test_beyond_where_the_path_left_are_ghosts(stretches: list[Stretch], segment: int, step: int, ghost: bool) -> None:
    assert segments.living_path(stretches).is_ghost(segment, step) is ghost


@given(some.lists(some.tuples(some.integers(0, 10), some.integers(0, 100)), max_size=12))
def test_the_path_ends_in_one_start_and_never_goes_down(jumps: list[tuple[int, int]]) -> None:
    stretches = [START]
    for number, (parent, step) in enumerate(jumps, start=1):
        parent %= number
        stretches.append(Stretch(number, parent, stretches[parent].start_step + step))
    ends = segments.living_path(stretches).ends
    assert (max(ends), min(ends)) == (len(stretches) - 1, 0)
    steps = [end for number, end in sorted(ends.items()) if end is not None]
    assert steps == sorted(steps)


def test_the_first_segment_makes_the_run_running(conn: Connection) -> None:
    submit(conn)
    run = begin(conn, claim(conn), now=later(3))
    assert (run.state, run.started_at, run.segment, run.step) == ("running", later(3), 0, 0)
    assert kinds(conn, run)[-2:] == ["run.state", "run.segment"]


def test_a_roll_back_marks_where_the_path_left(conn: Connection) -> None:
    submit(conn)
    begin(conn, taken := claim(conn))
    run = open_segment(conn, taken, 1, parent=0, start_step=300)
    open_segment(conn, taken, 2, parent=0, start_step=100)
    found = segments.list_segments(conn, run.pk)
    assert [segment.branched_step for segment in found] == [100, 300, None]
    assert runs.get_run(conn, run.id).segment == 2


def test_a_segment_told_again_changes_nothing_another_is_refused(conn: Connection) -> None:
    submit(conn)
    begin(conn, taken := claim(conn))
    run = open_segment(conn, taken, 1, parent=0, start_step=300)
    before = kinds(conn, run)
    open_segment(conn, taken, 1, parent=0, start_step=300)
    assert kinds(conn, run) == before
    with pytest.raises(Conflict, match="another segment 1"):
        open_segment(conn, taken, 1, parent=0, start_step=200)


@pytest.mark.parametrize(("number", "parent", "start"), [(1, 7, 10), (1, 1, 10), (2, 1, 299)])
def test_a_branch_that_cannot_be_is_refused(conn: Connection, number: int, parent: int, start: int) -> None:
    submit(conn)
    begin(conn, taken := claim(conn))
    if number == 2:
        open_segment(conn, taken, 1, parent=0, start_step=300)
    with pytest.raises(InvalidInput):
        open_segment(conn, taken, number, parent=parent, start_step=start)


def test_a_resumed_attempt_branches_off_at_its_checkpoint(conn: Connection) -> None:
    run = submit(conn)
    begin(conn, first := claim(conn))
    add_checkpoint(conn, run, step=200)
    release(conn, first, "crashed")
    begin(conn, second := claim(conn))
    assert segments.opened_by(conn, run.pk, 1) == {0}
    assert segments.opened_by(conn, run.pk, second.attempt) == {1}
    assert segments.read_path(conn, run.pk).ends == {0: 200, 1: None}


def test_a_late_segment_is_left_out_once_another_has_the_run(conn: Connection) -> None:
    """Its number is the one the newer trainer will open."""
    submit(conn)
    begin(conn, first := claim(conn))
    run = release(conn, first, "crashed")
    open_segment(conn, first, 1, parent=0, start_step=50)
    assert segments.opened_by(conn, run.pk, 1) == {0, 1}
    second = claim(conn)
    assert second.next_segment == 2
    open_segment(conn, first, 2, parent=0, start_step=60)
    begin(conn, second)
    assert segments.opened_by(conn, run.pk, 2) == {2}
    assert not leases.judge(conn, run, first.lease.token, later(1)).is_current
