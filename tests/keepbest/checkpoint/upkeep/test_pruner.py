"""The keeper: a run's own checkpoints, dropped while it is trained, for good and never too many."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.upkeep.pruner import CheckpointPruner
from keepbest.contract.policies import RetentionSpec
from keepbest.selection.selectors import build
from keepbest.selection.syntax import parse
from tests.support.states import NOON, OTHER_RUN, RUN, about, equal, files_of, flip, make_state

VALUES = {1: 0.1, 2: 0.7, 3: 0.3, 4: 0.9, 5: 0.2, 6: 0.8}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, step: int, value: float | None = None, **changed: Any) -> Manifest:
    changed = {"at": NOON + timedelta(seconds=step), "value": value, **changed}
    return store.write(make_state(step, step=step), about(**changed)).manifest


def steps(store: Store) -> list[int]:
    return [manifest.step for manifest in store.manifests(RUN)]


def keep(store: Store, values: Mapping[int, float], needed: dict[str, str] | None = None, **spec: Any) -> list[str]:
    """Write checkpoints one after another, as a trainer does; return the ids in order of step."""
    keeper, ids = CheckpointPruner(store, RUN, RetentionSpec(**spec)), []
    for step, value in values.items():
        manifest = write(store, step, value)
        keeper.take(manifest, needed or {})
        ids.append(manifest.id)
    return ids


@pytest.mark.parametrize(
    ("spec", "left"), [({}, [4, 6]), ({"best": 2, "last": 0}, [4, 6]), ({"last": 2, "every_steps": 2}, [2, 4, 5, 6])]
)
def test_what_a_run_leaves(store: Store, spec: dict[str, Any], left: list[int]) -> None:
    keep(store, VALUES, **spec)
    assert steps(store) == left
    packs = [path for path in files_of(store.folder.root) if path.suffix == ".safetensors"]
    assert len(packs) == len(left)  # for good: nothing of the others is left, nor in the trash
    for manifest in store.manifests(RUN):
        assert equal(store.load(RUN, manifest.id).arrays, make_state(manifest.step, step=manifest.step).values)


def test_candidates_of_the_selector_and_the_newest_average_stay(store: Store) -> None:
    keeper = CheckpointPruner(store, RUN, RetentionSpec(last=0), build(parse("top_k_average(k=2)")))
    for step, value in VALUES.items():
        keeper.take(write(store, step, value), {})
    assert steps(store) == [4, 6]
    made = [write(store, 4, 0.99, kind="selected", at=NOON + timedelta(seconds=at)) for at in (7, 8)]
    for manifest in made:
        keeper.take(manifest, {})
    assert [manifest.id for manifest in store.manifests(RUN) if manifest.kind == "selected"] == [made[1].id]
    assert steps(store) == [4, 6, 4]


def test_a_mark_names_what_was_selected_while_it_is_there(store: Store) -> None:
    one, other = write(store, 1, 0.5), write(store, 2, 0.4)
    assert store.folder.selected(RUN) is None
    for chosen in (one, other):
        store.folder.select(RUN, chosen.id)
        assert store.folder.selected(RUN) == chosen.id
    assert store.folder.selected(OTHER_RUN) is None
    assert store.drop(RUN, other.id)
    assert store.folder.selected(RUN) is None
    store.folder.select(RUN, None)
    assert [path.name for path in store.folder.run(RUN).iterdir()] == [f"{one.id}.json"]


def test_what_the_tracker_calls_the_best_stays(store: Store) -> None:
    """A trainer that lost its lease goes on finding better ones that the tracker never hears of."""
    known = write(store, 1, 0.1)
    keeper = CheckpointPruner(store, RUN, RetentionSpec(last=0))
    keeper.take(known, {})
    for step in (2, 3, 4):
        keeper.take(write(store, step, step / 10), {known.id: "the tracker's best"})
    assert steps(store) == [1, 4]


def test_a_pin_is_seen_without_asking_anybody(store: Store) -> None:
    keeper = CheckpointPruner(store, RUN, RetentionSpec())
    pinned = write(store, 1, 0.1)
    keeper.take(pinned, {})
    store.folder.pin(RUN, pinned.id, True)
    keeper.take(write(store, 2, 0.2), {})
    assert steps(store) == [1, 2]
    store.folder.pin(RUN, pinned.id, False)
    keeper.take(write(store, 3, 0.3), {})
    assert steps(store) == [3]


def test_a_resumed_run_knows_what_it_had(store: Store) -> None:
    keep(store, {1: 0.5, 2: 0.1})
    write(store, 9, 0.9, run=OTHER_RUN)
    assert steps(store) == [1, 2]
    CheckpointPruner(Store(store.folder.root), RUN, RetentionSpec()).take(write(store, 3, 0.7), {})
    assert steps(store) == [3]
    assert len(store.manifests(OTHER_RUN)) == 1


def test_what_cannot_be_dropped_now_is_dropped_with_the_next(store: Store) -> None:
    keeper = CheckpointPruner(store, RUN, RetentionSpec())
    keeper.take(first := write(store, 1, 0.1), {})
    with Store(store.folder.root).folder.writing():
        assert keeper.take(write(store, 2, 0.2), {}) == []
    assert steps(store) == [1, 2]
    assert first.id in keeper.take(write(store, 3, 0.3), {})
    assert steps(store) == [3]


def test_checkpoints_that_could_not_be_dropped_go_at_the_end(store: Store) -> None:
    """'The tracker does not know checkpoint X': another run wrote just then, and no other checkpoint came."""
    keeper = CheckpointPruner(store, RUN, RetentionSpec())
    keeper.take(write(store, 1, 0.1), {})
    with Store(store.folder.root).folder.writing():
        keeper.take(write(store, 2, 0.2), {})
        keeper.settle(lambda: True, 0.1)
        assert steps(store) == [1, 2]
    keeper.settle(lambda: False, 5)
    assert steps(store) == [1, 2]
    keeper.settle(lambda: True, 5)
    assert steps(store) == [2]


def test_a_damaged_one_stays_for_fsck_and_ends_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    keeper = CheckpointPruner(store, RUN, RetentionSpec())
    keeper.take(first := write(store, 1, 0.1), {})
    flip(store.folder.manifest(RUN, first.id), 200)
    assert keeper.take(write(store, 2, 0.2), {}) == []
    keeper.settle(lambda: True, 60)
    assert caplog.text.count(f"Checkpoint {first.id} of run {RUN} was not removed") == 1


def test_one_that_somebody_took_out_is_forgotten(store: Store) -> None:
    keeper = CheckpointPruner(store, RUN, RetentionSpec())
    keeper.take(first := write(store, 1, 0.1), {})
    store.drop(RUN, first.id)
    assert keeper.take(write(store, 2, 0.2), {}) == [first.id]
