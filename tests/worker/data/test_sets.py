"""The data sets: sizes, ranges, splits that never move, and the folders they are found in."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from keepbest.errors import InvalidInput
from tests.support.need import find_data, need
from tests.worker.data.test_idx import encode
from worker import data
from worker.data import mnist
from worker.data.planar import load_planar
from worker.data.splits import Part, digest_of, split_head, split_random

FILES = {
    "train-images-idx3-ubyte": np.arange(8 * 4, dtype=np.uint8).reshape(8, 2, 2),
    "train-labels-idx1-ubyte": np.arange(8, dtype=np.uint8),
    "t10k-images-idx3-ubyte": np.zeros((3, 2, 2), np.uint8),
    "t10k-labels-idx1-ubyte": np.zeros(3, np.uint8),
}
Write = Callable[..., Path]
SIZES = {
    "line": [100, 100],
    "curve": [300, 300],
    "circle": [125, 125],
    "xor": [125, 125],
    "gauss": [125, 125],
    "spiral": [125, 125],
    "plane": [300, 300],
    "hills": [300, 300],
}
SUMS = {
    "line": [52.46, 35.25],
    "curve": [0.0, -49.48],
    "circle": [31.19, 14.0],
    "xor": [-79.53, 38.0],
    "gauss": [59.11, 14.0],
    "spiral": [-9.3, 14.0],
    "plane": [-96.48, -9.86],
    "hills": [-96.48, -10.84],
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a tiny set in MNIST's form; a keyword replaces one file (None leaves it out)."""
    monkeypatch.setattr(mnist, "VALIDATION", 2)

    def write_files(folder: str = "", *, suffix: str = "", **changed: bytes | None) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, array in FILES.items():
            content = changed.get(name.replace("-", "_"), encode(array))
            if content is not None:
                (place / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
        return tmp_path

    return write_files


def test_digits_are_the_same_on_every_machine() -> None:
    split = data.load("digits")
    assert split.about() == {
        "data": "digits",
        "train": {"n": 1197, "digest": "ec5bcec734bce1e755bfdc4ad0bbbb98ac165a3ff6199e7d62b1124f4e87a88a"},
        "validation": {"n": 300, "digest": "94717cc44f1e1a7b59e33cc10f8221abab81415f85addb661fabe1aa4c67cab2"},
        "test": {"n": 300, "digest": "64b03533744809a1c51161bf35a7a1674c8841b60020329b8e261a8e49c070c2"},
    }


def test_digits_are_images_from_0_to_1() -> None:
    split = data.load("digits")
    assert split.train.x.shape == (1197, 8, 8, 1)
    assert (split.train.x.min(), split.train.x.max()) == (0.0, 1.0)
    assert sorted(set(split.test.y)) == list(range(len(split.classes)))


def test_mnist_is_split_as_in_the_tutorials() -> None:
    folder = find_data("mnist")
    need(folder, "needs MNIST as IDX files: set KEEPBEST_TEST_DATA to a folder that holds mnist/")
    split = data.load("mnist", folder)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [55_000, 5_000, 10_000]
    assert list(split.validation.y[:5]) == [5, 0, 4, 1, 9]  # the first labels of the published file
    assert split.train.x.dtype == np.float32
    assert split.train.x.max() == 1.0


@pytest.mark.parametrize("folder", ["", "mnist"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_found(folder: str, suffix: str, write: Write) -> None:
    split = data.load("mnist", write(folder, suffix=suffix))
    assert list(split.validation.y) == [0, 1]
    assert list(split.train.y) == [2, 3, 4, 5, 6, 7]
    assert split.test.x.shape == (3, 2, 2, 1)


def test_fashion_mnist_has_a_folder_of_its_own(write: Write) -> None:
    assert data.load("fashion-mnist", write("fashion-mnist")).classes[9] == "Ankle boot"


def test_mnist_is_not_taken_for_fashion_mnist(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two sets' files have the same names: those of MNIST must never be used for the other."""
    monkeypatch.setattr(mnist, "_download", lambda name, folder: pytest.fail("downloads") if name == "mnist" else "?")
    with pytest.raises(ValueError, match="unpack"):
        data.load("fashion-mnist", write(""))


WRONG: list[tuple[dict[str, bytes | None], str]] = [
    ({"train_labels_idx1_ubyte": None}, "lacks train-labels-idx1-ubyte"),
    ({"train_labels_idx1_ubyte": encode(np.arange(7, dtype=np.uint8))}, "8 images but 7 labels"),
    ({"train_labels_idx1_ubyte": encode(np.full(8, 10, np.uint8))}, "does not hold labels 0 to 9"),
    ({"train_labels_idx1_ubyte": encode(FILES["train-images-idx3-ubyte"])}, "3 dimensions instead of 1"),
    ({"train_images_idx3_ubyte": encode(np.zeros((8, 2, 2), np.float32))}, "does not hold labels 0 to 9"),
    (
        {
            "train_images_idx3_ubyte": encode(np.zeros((2, 2, 2), np.uint8)),
            "train_labels_idx1_ubyte": encode(np.zeros(2, np.uint8)),
        },
        "has only 2 training images",
    ),
]


@pytest.mark.parametrize(("changed", "message"), WRONG)
def test_files_that_do_not_fit_are_refused(changed: dict[str, bytes | None], message: str, write: Write) -> None:
    with pytest.raises(InvalidInput) as caught:
        data.load("mnist", write(**changed))
    assert message in caught.value.message
    assert caught.value.hint


def test_an_unknown_set_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInput) as caught:
        data.load("imagenet")
    assert caught.value.hint == f"This worker has {', '.join(sorted(data.LOADERS))}."


@pytest.mark.parametrize("name", ["line", "curve", "circle", "xor", "gauss", "spiral", "plane", "hills"])
def test_computed_sets_are_the_same_on_every_machine(name: str) -> None:
    """Values to five places, not digests: the last bit of a sine is the machine's own."""
    first = data.load(name).train
    assert [len(part) for part in (data.load(name).validation, data.load(name).test)] == SIZES[name]
    found = [round(float(first.x.sum()), 2), round(float(first.y.sum()), 2)]
    assert found == pytest.approx(SUMS[name], abs=0.02)


def test_noise_moves_points_over_the_border() -> None:
    still, moved = load_planar("circle"), load_planar("circle", noise=0.5)
    radius = np.linalg.norm(still.train.x, axis=1)
    assert np.array_equal(still.train.y.ravel() > 0, radius < 2.5)
    assert not np.array_equal(moved.train.y.ravel() > 0, np.linalg.norm(moved.train.x, axis=1) < 2.5)


def test_splits_take_every_example_once() -> None:
    whole = Part(np.arange(100, dtype=np.float32), np.arange(100))
    rest, first, second = split_random(whole, 20, 30, seed=1)
    assert [len(part) for part in (rest, first, second)] == [50, 20, 30]
    assert sorted([*rest.y, *first.y, *second.y]) == list(range(100))
    assert list(first.y) != list(split_random(whole, 20, 30, seed=2)[1].y)
    rest, head = split_head(whole, 10)
    assert (list(head.y), rest.y[0]) == (list(range(10)), 10)


def test_a_digest_tells_values_shapes_and_types_apart() -> None:
    ones = np.ones((2, 3), np.float32)
    other = (ones * 2, ones.reshape(3, 2), ones.astype(np.float64))
    assert len({digest_of(array) for array in (ones, *other)}) == 4
    assert digest_of(ones) == digest_of(ones.copy(order="F"))
