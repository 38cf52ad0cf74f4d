"""Does a checkpoint fit a model: tables of names, shapes and types."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.snapshots.compare import compare, refuse
from keepbest.snapshots.state import VariableSpec


def specs(*paths: str, collection: Any = "model", shape: tuple[int, ...] = (2, 3)) -> list[VariableSpec]:
    return [VariableSpec(collection, index, path, shape, "float32") for index, path in enumerate(paths)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("dense/kernel", "dense_4/kernel"),
        ("seed_generator_1/seed_generator_state", "seed_generator_7/seed_generator_state"),
        ("sequential/dense/kernel", "dense/kernel"),
        ("sequential_2/dense_1/kernel", "sequential/dense/kernel"),
    ],
)
def test_names_that_keras_made_up_are_the_same(one: str, other: str) -> None:
    assert compare(specs(one), specs(other)) == []
    optimizer = [
        specs("k") + specs(f"adam_{n}/{path.replace('/', '_')}_momentum", collection="optimizer")
        for n, path in enumerate([one, other])
    ]
    assert compare(*optimizer) == []


@pytest.mark.parametrize(
    ("one", "other"), [("dense/kernel", "dense/bias"), ("encoder/kernel", "decoder/kernel"), ("a/b", "xa/b")]
)
def test_other_names_differ(one: str, other: str) -> None:
    (difference,) = compare(specs(one), specs(other))
    assert str(difference) == f"model/0: name {one} in the checkpoint, {other} in the model"


def test_an_optimizer_on_an_attribute() -> None:
    """A network that is made again has no prefix, which stands in the middle of the name."""
    names = ["first/adam/my_model_dense_kernel_momentum", "first/adam/dense_kernel_momentum"]
    mine, theirs, second = (
        specs("k") + specs(name, collection="optimizer") for name in [*names, "second/" + names[1][6:]]
    )
    assert compare(mine, theirs) == []
    assert [difference.kind for difference in compare(mine, second)] == ["name"]


def test_layers_that_changed_places_differ() -> None:
    found = compare(specs("block_1/kernel", "block_2/kernel"), specs("block_2/kernel", "block_1/kernel"))
    assert [difference.kind for difference in found] == ["name", "name"]


def test_another_process_begins_to_number_elsewhere() -> None:
    """Four seeds, numbered from 4 in one process and from 5 in the other, were refused: both have a 5."""
    seeds = [[f"seed_{n}/state" for n in range(first, first + 4)] for first in (0, 4, 5, 8)]
    seeds[0][0] = "seed/state"
    assert all(compare(specs(*one), specs(*other)) == [] for one in seeds for other in seeds)
    moved = compare(specs(*seeds[1]), specs("seed_6/state", *seeds[1][:2], "seed_7/state"))
    assert [difference.kind for difference in moved] == ["name", "name", "name"]


def test_the_number_of_a_seed_generator_is_no_place() -> None:
    """A bidirectional layer makes its parts in another order when it is made from its description."""
    seeds = specs("seed_generator_1/seed_generator_state", "seed_generator_2/seed_generator_state")
    back = specs("seed_generator_2/seed_generator_state", "seed_generator_1/seed_generator_state")
    assert compare(seeds, back) == []
    named = compare(specs("a/seed_generator_state", "b/seed_generator_state"), specs("b/x", "a/x"))
    assert [difference.kind for difference in named] == ["name", "name"]


def test_every_difference_is_named() -> None:
    mine = [*specs("a/k", "b/k", "c/k"), VariableSpec("model", 3, "d/k", (4,), "float32")]
    theirs = [VariableSpec("model", 0, "a/k", (9,), "float32"), VariableSpec("model", 1, "b/k", (2, 3), "float16")]
    error = refuse(compare(mine, theirs), "c" * 12)
    assert str(error).splitlines()[1:] == [
        "  model/0: shape a/k [2, 3] in the checkpoint, a/k [9] in the model",
        "  model/1: dtype b/k float32 in the checkpoint, b/k float16 in the model",
        "  model/2: c/k [2, 3] is in the checkpoint, not in the model",
        "  model/3: d/k [4] is in the checkpoint, not in the model",
    ]


def test_a_long_list_is_cut() -> None:
    error = refuse(compare(specs(*"abcdefghijklmnopqrstuvwxyz"), []), "c" * 12)
    assert str(error).endswith("… and 6 more")
    assert error.hint is not None
    assert "Build the model first" in error.hint


def test_a_model_without_an_optimizer_takes_the_network_alone() -> None:
    assert compare(specs("k") + specs("sgd/k", collection="optimizer"), specs("k")) == []


def test_another_optimizer_differs() -> None:
    mine = specs("k") + specs("adam/iteration", "adam/k_momentum", collection="optimizer")
    theirs = specs("k") + specs("sgd/iteration", collection="optimizer")
    (difference,) = compare(mine, theirs)
    assert (difference.kind, difference.collection) == ("missing", "optimizer")
    assert "Compile the model with the run's optimizer" in str(refuse([difference], "c" * 12).hint)
