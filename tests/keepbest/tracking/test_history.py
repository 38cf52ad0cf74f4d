"""What an attempt still has to change where it begins at another checkpoint than the one it was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from keepbest.checkpoint import Store
from keepbest.contract.batches import SegmentOpened
from keepbest.contract.checkpoints import Checkpoint
from keepbest.contract.overrides import Overrides
from keepbest.errors import NotFound
from keepbest.stopping import parse
from keepbest.tracking.history import RunHistory, leave_out_made
from keepbest.tracking.opening import OpensAtFirstStep
from keepbest.tracking.run import Run
from keepbest.tracking.stopper import Stopper
from keepbest.training.resume import load_start
from tests.support.states import NOON, RUN, about, make_state
from tests.support.tiny_tracker import assignment

W, OTHER = "w" * 12, "v" * 12
SLOWER = Overrides(learning_rate="0.1x", max_steps=900)
REST = Overrides(max_steps=900)


def wanted(segment: int) -> Checkpoint:
    files = {"digest": "0" * 64, "size_bytes": 1, "written_bytes": 1, "location": "store", "state": "durable"}
    said = {"id": W, "run": RUN, "segment": segment, "step": 500, "kind": "last", "at": NOON}
    return Checkpoint.model_validate({**said, **files})


def segments(*rows: tuple[int | None, str | None, str | None]) -> list[SegmentOpened]:
    """Each row: the parent, the checkpoint that it begins at, and the learning rate that it was opened with."""
    return [
        SegmentOpened(
            number=number,
            parent=parent,
            reason="resume",
            start_step=0,
            checkpoint=checkpoint,
            overrides=Overrides(learning_rate=rate) if rate else None,
            at=NOON,
        )
        for number, (parent, checkpoint, rate) in enumerate(rows)
    ]


START = (None, None, None)


@pytest.mark.parametrize(
    ("rows", "segment", "taken", "left"),
    [
        ([START, (0, W, "0.1x")], 0, 1, REST),
        ([START, (0, W, "0.1x"), (1, OTHER, None)], 0, 2, REST),  # further on
        ([START, (0, W, "0.1x"), (0, OTHER, None)], 0, 2, SLOWER),  # beside it
        ([START, (0, W, "0.1x")], 0, 0, SLOWER),  # before it
        ([START, (0, W, "0.1x"), (0, OTHER, "0.1x")], 0, 2, REST),  # made at a checkpoint that was taken instead
        ([START, (0, OTHER, "0.1x"), (1, W, "0.1x")], 1, 1, SLOWER),  # asked for the second time
        ([START, (0, OTHER, "0.1x"), (1, W, "0.1x")], 1, 2, REST),
        ([START, (0, W, "0.5x")], 0, 1, SLOWER),
        ([(None, W, "0.1x")], 3, 0, REST),  # a fork, from segment 3 of another run
        ([START], 0, 7, SLOWER),  # of which nobody knows
        ([], 0, 0, SLOWER),
        ([(1, None, None), (0, OTHER, None)], 5, 1, SLOWER),  # a circle
    ],
)
def test_a_learning_rate_is_multiplied_once(
    rows: list[tuple[int | None, str | None, str | None]], segment: int, taken: int, left: Overrides
) -> None:
    assert leave_out_made(SLOWER, segments(*rows), wanted=wanted(segment), taken=taken) == left


@pytest.mark.parametrize("asked", [None, REST])
def test_what_changes_no_rate_stays(asked: Overrides | None) -> None:
    assert leave_out_made(asked, segments(START, (0, W, "0.1x")), wanted=wanted(0), taken=1) == asked


def resumed(past: RunHistory, overrides: Overrides | None = None) -> Run:
    """A script's run that its tracker has go on from W."""
    run = Run(RUN, Stopper(parse("patience(3)"), "max"), monitor="val_accuracy")
    run.begin(OpensAtFirstStep(assignment(resume=wanted(0), overrides=overrides), past))
    return run


@pytest.mark.parametrize(("segment", "left"), [(0, SLOWER), (1, REST)])
def test_a_damaged_checkpoint_multiplies_the_rate_once(tmp_path: Path, segment: int, left: Overrides) -> None:
    """`keepbest resume RUN --learning-rate 0.1x`: its checkpoint was damaged, the newest held the change already, and
    the rate became 0.01 of what it was."""
    store = Store(tmp_path)
    store.write(make_state(1, step=600), about(segment=segment))
    run = resumed(RunHistory(segments(START, (0, W, "0.1x"))), SLOWER)
    loaded = load_start(run, store)
    assert loaded is not None
    assert (loaded.step, run.opening.overrides) == (600, left)


@pytest.mark.parametrize("place", ["another store", "a folder that is not there", "a file"])
def test_a_script_never_begins_anew_in_a_strange_store(place: str, tmp_path: Path) -> None:
    """Queued again on a node where the store was not mounted, a script once trained from step 0 in an empty folder."""
    root = tmp_path / "store"
    if place == "another store":
        Store(root).write(make_state(1, step=600), about("z" * 12))
    elif place == "a file":
        root.write_text("")
    run = resumed(RunHistory())
    with pytest.raises(NotFound, match="never seen the run") as caught:
        load_start(run, Store(root))
    assert "KEEPBEST_STORE" in str(caught.value.hint)
