"""MNIST and Fashion-MNIST: from IDX files in a folder, or by Keras' download."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.errors import InvalidInput
from worker.data.digits import DIGITS
from worker.data.idx import read_idx
from worker.data.splits import Part, Split, split_head

#: The tutorials validate on the first 5,000 of the 60,000 and train on the other 55,000.
VALIDATION = 5_000
CLOTHES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")

_STEMS = {
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}


def load_mnist(folder: Path | None) -> Split:
    """Return MNIST (LeCun, Cortes, Burges), 28 x 28."""
    return _load("mnist", DIGITS, folder)


def load_fashion_mnist(folder: Path | None) -> Split:
    """Return Fashion-MNIST (Zalando), 28 x 28."""
    return _load("fashion-mnist", CLOTHES, folder)


def _load(name: str, classes: tuple[str, ...], folder: Path | None) -> Split:
    files = _find_files(name, folder)
    whole, test = _read_files(files) if files else _download(name, folder)
    if len(whole) <= VALIDATION:
        raise InvalidInput(
            f"{name} has only {len(whole)} training images, and validation takes {VALIDATION} of them.",
            field="data",
            hint="Put the whole set into the folder.",
        )
    train, validation = split_head(whole, VALIDATION)
    return Split(name, train, validation, test, classes)


def _find_files(name: str, folder: Path | None) -> dict[str, Path] | None:
    """Return the four files of the set, or None if the folder holds none of them.

    `<folder>/<name>/` comes first. Files in the folder itself count as MNIST's, whose names they have.
    """
    if folder is None:
        return None
    for place in (folder / name, *((folder,) if name == "mnist" or folder.name == name else ())):
        files = {what: _find_file(place, stem) for what, stem in _STEMS.items()}
        result = {what: path for what, path in files.items() if path is not None}
        if len(result) == len(files):
            return result
        if result:
            raise _incomplete(place, [_STEMS[what] for what in files if what not in result])
    return None


def _find_file(folder: Path, stem: str) -> Path | None:
    names = (f"{stem}.gz", stem, f"{stem.replace('-idx', '.idx')}.gz", stem.replace("-idx", ".idx"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _incomplete(folder: Path, missing: list[str]) -> InvalidInput:
    return InvalidInput(
        f"{folder} lacks {', '.join(missing)}.",
        field="data",
        hint="All four IDX files are needed, each as it is or as .gz.",
    )


def _read_files(files: dict[str, Path]) -> tuple[Part, Part]:
    def part(which: str) -> Part:
        images = read_idx(files[f"{which}-images"], dimensions=3)
        labels = read_idx(files[f"{which}-labels"], dimensions=1)
        return _part(images, labels, files[f"{which}-labels"])

    return part("train"), part("test")


def _download(name: str, folder: Path | None) -> tuple[Part, Part]:
    import keras  # an optional extra, slow to import

    loader: Any = {"mnist": keras.datasets.mnist, "fashion-mnist": keras.datasets.fashion_mnist}[name]
    try:
        train, test = loader.load_data()
    except Exception as error:  # urllib, ssl or a proxy may raise anything, and the hint is the same
        where = f"{folder} does not hold {name}, and " if folder else ""
        raise InvalidInput(
            f"{where}Keras' download of {name} failed: {error}.",
            field="data",
            hint=f"Put its four IDX files into a folder's {name}/ and start the worker with --data-dir FOLDER "
            "(or KEEPBEST_DATA=FOLDER).",
        ) from error
    return _part(train[0], train[1], "the download"), _part(test[0], test[1], "the download")


def _part(images: NDArray[Any], labels: NDArray[Any], origin: object) -> Part:
    if images.dtype != np.uint8 or labels.dtype != np.uint8 or (labels.size and labels.max() > 9):
        raise InvalidInput(
            f"{origin} does not hold labels 0 to 9 of grey images.",
            field="data",
            hint="Is it the file of another data set?",
        )
    scaled = images.astype(np.float32)[..., np.newaxis] / np.float32(255)
    return Part(scaled, labels.astype(np.int64))
