"""Examples that lie with a checkpoint: stored like any value, read with their digests, compared within a tolerance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Manifest, Store
from keepbest.checkpoint.examples import compare, read
from keepbest.checkpoint.inputs import describe_batch
from keepbest.checkpoint.upkeep.fsck import check as check_store
from keepbest.errors import CheckpointDamaged, NotFound
from keepbest.snapshots.state import Predictions
from tests.support.states import about, flip, make_state

WORDS = np.array([["red"], ["blau\0"], [""]], object)
NUMBERS = np.arange(6, dtype=np.float32).reshape(3, 2)


def keep(root: Path, output: Any, seed: int = 1) -> tuple[Store, Manifest]:
    """Write a checkpoint of a network that takes numbers and words, and gave `output` for three of them."""
    store = Store(root)
    state = replace(make_state(seed, seed), predictions=Predictions((NUMBERS, WORDS), (output,)))
    written = store.write(state, about(inputs=describe_batch({"n": NUMBERS, "w": WORDS})))
    return store, store.read_manifest(written.manifest.run, state.id)[0]


def test_they_come_back_and_are_no_part_of_the_state(tmp_path: Path) -> None:
    output = np.array([[0.25], [np.nan], [np.inf]], np.float32)
    store, manifest = keep(tmp_path, output)
    found = read(store.folder, manifest)
    assert np.array_equal(found.inputs[0], NUMBERS)
    assert found.inputs[1].tolist() == [[b"red"], [b"blau\0"], [b""]]
    assert np.array_equal(found.outputs[0], output, equal_nan=True)
    assert len(store.load(manifest.run, manifest.id).specs) == 6
    assert check_store(store.folder, []).is_whole


def test_equal_inputs_are_stored_once(tmp_path: Path) -> None:
    (_, one), (_, other) = (keep(tmp_path, np.full((3, 1), seed, np.float32), seed) for seed in (1, 2))
    packs = [[example.object for example in manifest.examples] for manifest in (one, other)]
    assert packs[0][:2] == packs[1][:2]
    assert packs[0][2] != packs[1][2]


def test_a_flipped_bit_in_them_is_noticed_and_spares_the_network(tmp_path: Path) -> None:
    store, manifest = keep(tmp_path, np.ones((3, 1), np.float32))
    flip(store.folder.content(manifest.examples[-1].object), -1)
    with pytest.raises(CheckpointDamaged, match="output/0"):
        read(store.folder, manifest)
    assert not check_store(store.folder, []).is_whole
    store.load(manifest.run, manifest.id)


def test_a_checkpoint_without_examples_says_how_to_keep_some(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = store.write(make_state(), about())
    with pytest.raises(NotFound) as caught:
        read(store.folder, written.manifest)
    assert "--keep-examples 8" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("recorded", "restored", "difference", "is_within"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0, True),
        ([0.5, 0.25], [0.5, 0.250005], 5e-6, True),
        ([0.5, 0.25], [0.5, 0.2501], 1e-4, False),
        ([1000.0, 0.0], [1000.005, 0.0], 5e-3, True),  # of the greatest magnitude, 1e-5 of which is 0.01
        ([1000.0, 0.0], [1000.02, 0.0], 0.02, False),
        ([np.nan, np.inf], [np.nan, np.inf], 0.0, True),
        ([1.0, np.nan], [1.0, 1.0], np.inf, False),
        ([1.0, np.inf], [1.0, -np.inf], np.inf, False),
        ([1.0, 2.0], [1.0], np.inf, False),
        ([1, 2], [1, 3], 1.0, False),
        (["a", "b"], ["a", "b"], 0.0, True),
        (["a", "b"], ["a", "bb"], np.inf, False),
    ],
)
def test_within_the_tolerance(recorded: Any, restored: Any, difference: float, is_within: bool) -> None:
    found = compare(Predictions((), (np.array(recorded),)), [np.array(restored)])
    assert found.difference == pytest.approx(difference, rel=1e-3)
    assert found.is_within is is_within


def test_half_precision_and_a_tolerance_of_ones_own() -> None:
    mine, theirs = np.array([0.5], np.float16), np.array([0.51], np.float16)
    assert compare(Predictions((), (mine,)), [theirs]).is_within
    assert not compare(Predictions((), (mine,)), [theirs], 1e-3).is_within
    assert not compare(Predictions((), (mine, mine)), [mine]).is_within  # one output is missing
