"""scikit-learn's handwritten digits: 1,797 real images of 8 x 8, inside the package, so no download is needed."""

from __future__ import annotations

import numpy as np

from worker.data.splits import Part, Split, split_random

#: Validation and test get about a sixth each: with 300 images, one image is a third of a per cent.
VALIDATION, TEST = 300, 300
DIGITS = tuple("0123456789")


def load_digits() -> Split:
    """Return the digits, split by a fixed seed (neighbours in the file were written by the same hand)."""
    from sklearn import datasets  # an optional extra, slow to import

    raw = datasets.load_digits()
    images = (raw.images / 16.0).astype(np.float32)[..., np.newaxis]
    whole = Part(images, raw.target.astype(np.int64))
    train, validation, test = split_random(whole, VALIDATION, TEST, seed=0)
    return Split("digits", train, validation, test, DIGITS)
