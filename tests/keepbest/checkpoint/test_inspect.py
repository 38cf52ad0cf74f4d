"""Looking into checkpoints: figures against NumPy's own, slices, and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keepbest.checkpoint import Manifest, Store, inspect
from keepbest.checkpoint.files.dtypes import numpy_dtype
from keepbest.contract.checkpoints import ValuesQuery
from keepbest.errors import CheckpointDamaged, InvalidInput, NotFound
from tests.support.states import about, flip, state_of

KERNEL = np.arange(12, dtype=np.float32).reshape(3, 4) - 4
NAN = np.array([1.0, np.nan, np.inf, -3.0])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, *arrays: tuple[str, Any], collection: str = "model") -> Manifest:
    return store.write(state_of([(collection, path, array) for path, array in arrays]), about()).manifest


@pytest.mark.parametrize(
    "array",
    [KERNEL, np.array(7), np.array([True, False, True]), np.full(5, 1e8, np.float32) + np.arange(5) * 8],
    ids=["kernel", "scalar", "flags", "large mean"],
)
def test_the_figures_are_numpys(store: Store, array: Any) -> None:
    manifest = write(store, ("x", array))
    (found,) = inspect.describe(store.folder, manifest).variables
    exact = array.astype(np.float64)
    assert (found.shape, found.dtype, found.non_finite) == (list(array.shape), str(array.dtype), 0)
    assert found.digest == manifest.variables[0].digest
    assert (found.min, found.max) == (exact.min(), exact.max())
    figures = [exact.mean(), exact.std(), np.sqrt(np.sum(exact**2))]
    assert [found.mean, found.std, found.norm] == pytest.approx(figures, rel=1e-12)


def test_what_is_not_finite_is_counted(store: Store) -> None:
    some, none, empty = inspect.describe(
        store.folder, write(store, ("some", NAN), ("none", np.array([np.nan])), ("empty", np.zeros((0, 3))))
    ).variables
    assert (some.non_finite, some.mean, some.min, some.max) == (2, -1.0, -3.0, 1.0)
    assert (none.non_finite, none.mean, none.norm) == (1, None, None)
    assert (empty.non_finite, empty.mean) == (0, None)


def test_small_floats(store: Store) -> None:
    array = np.array([1.5, -2.0], numpy_dtype("bfloat16"))
    (found,) = inspect.describe(store.folder, write(store, ("x", array))).variables
    assert (found.dtype, found.min, found.max) == ("bfloat16", -2.0, 1.5)


@pytest.mark.parametrize(
    ("slices", "values"),
    [
        ("", KERNEL), ("0", KERNEL[0]), ("-1, 2", KERNEL[-1, 2]), ("0:2,:", KERNEL[0:2, :]), ("...,1", KERNEL[..., 1]),
        ("::-1", KERNEL[::-1]), (":,1::2", KERNEL[:, 1::2]),
    ],
)  # fmt: skip
def test_slices(store: Store, slices: str, values: Any) -> None:
    variable, found = inspect.values_of(store.folder, write(store, ("dense/kernel", KERNEL)), "dense/kernel", slices)
    assert variable.path == "dense/kernel"
    assert np.array_equal(found, values)


@pytest.mark.parametrize("slices", ["a", "0,0,0", "9", "::0", "1+1", "0:1:1:1", "__import__('os')", "[0]", "None"])
def test_what_is_no_slice(store: Store, slices: str) -> None:
    with pytest.raises(InvalidInput):
        inspect.values_of(store.folder, write(store, ("x", KERNEL)), "x", slices)


@pytest.mark.parametrize(
    ("shape", "part"),
    [((), []), ((3, 0), [3, 0]), ((784, 10), [784, 10]), ((784, 64), [256, 64]), ((200, 200), [128, 128])],
)
def test_a_large_slice_is_sent_in_part(shape: tuple[int, ...], part: list[int]) -> None:
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    found = inspect.first_part(array)
    assert list(found.shape) == part
    assert np.array_equal(found, array[tuple(map(slice, part))])


def test_values_come_with_the_histogram_of_the_whole(store: Store) -> None:
    manifest = write(store, ("x", KERNEL), ("odd", NAN), ("wide", np.array([-1e308, 1e308])), ("z", KERNEL[0] * 1j))
    said = inspect.show_values(store.folder, manifest, ValuesQuery(variable="x", slice=":,1"))
    assert (said.shape, said.part, said.values) == ([3], [3], [-3.0, 1.0, 5.0])
    counts, edges = np.histogram(KERNEL, inspect.BINS)
    assert said.histogram.counts == counts.tolist()
    assert said.histogram.edges == pytest.approx(edges.tolist())
    odd, wide, z = (
        inspect.show_values(store.folder, manifest, ValuesQuery(variable=name)) for name in ("odd", "wide", "z")
    )
    assert (sum(odd.histogram.counts), odd.histogram.non_finite) == (2, 2)
    assert '"NaN","Infinity"' in odd.model_dump_json()
    assert wide.histogram.counts == []
    assert (z.values, z.variable.non_finite) == ([4.0, 3.0, 2.0, 1.0], 0)  # -4 were "not finite" once


def test_names(store: Store) -> None:
    state = state_of([("model", "x", KERNEL), ("optimizer", "x", NAN), ("model", "twin", NAN), ("model", "twin", NAN)])
    manifest = store.write(state, about()).manifest
    assert inspect.values_of(store.folder, manifest, "optimizer/x")[0].collection == "optimizer"
    assert inspect.values_of(store.folder, manifest, "model/2:twin")[0].index == 2
    with pytest.raises(InvalidInput, match="several"):
        inspect.values_of(store.folder, manifest, "x")
    with pytest.raises(NotFound) as caught:
        inspect.values_of(store.folder, manifest, "twins")
    assert caught.value.hint == "The nearest: twin."


def test_differences(store: Store) -> None:
    moved = KERNEL.copy()
    moved[0, 0] += 3
    first = write(store, ("a", KERNEL), ("same", NAN), ("shape", KERNEL), ("dtype", KERNEL), ("gone", KERNEL))
    second = write(store, ("a_1", moved), ("same", NAN), ("shape", KERNEL.T), ("dtype", KERNEL.astype(int)))
    said = inspect.compare(store.folder, first, store.folder, second)
    assert [row.kind for row in said.variables] == ["differs", "equal", "shape", "dtype", "missing"]
    assert not said.equal
    row = said.variables[0]
    assert (row.norm, row.changed) == (3.0, 1)
    assert row.relative == pytest.approx(3 / np.linalg.norm(KERNEL))
    assert inspect.compare(store.folder, second, store.folder, first).variables[-1].kind == "new"
    assert inspect.compare(store.folder, first, store.folder, first).equal


def test_a_difference_that_has_no_norm(store: Store) -> None:
    first, second = write(store, ("x", np.zeros(4))), write(store, ("x", NAN))
    (row,) = inspect.compare(store.folder, first, store.folder, second).variables
    assert (row.kind, row.norm, row.relative, row.changed) == ("differs", None, None, 4)
    (row,) = inspect.compare(store.folder, first, store.folder, write(store, ("x", np.ones(4)))).variables
    assert (row.norm, row.relative) == (2.0, None)


def test_seeds_are_compared_to_the_last_bit(store: Store) -> None:
    first, second = (write(store, ("seed", np.array([2**62 + add], np.int64))) for add in (0, 1))
    (row,) = inspect.compare(store.folder, first, store.folder, second).variables
    assert (row.kind, row.changed) == ("differs", 1)


def test_no_figure_of_a_damaged_value(store: Store) -> None:
    manifest = write(store, ("x", KERNEL))
    path = store.folder.content(manifest.variables[0].object)
    flip(path, path.stat().st_size - 1)
    with pytest.raises(CheckpointDamaged, match="model/0:x"):
        inspect.describe(store.folder, manifest)
