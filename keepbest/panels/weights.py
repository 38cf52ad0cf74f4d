"""Shows weights as images: one tile for each filter, positive and negative on the two sides of the middle."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import WeightsData
from keepbest.panels.packing import finite, pack, to_bytes

MAX_TILES = 100
MAX_SIDE = 128


def show_filters(kernel: NDArray[Any], variable: str, *, channel: int = 0) -> WeightsData:
    """Return the filters of a convolution's kernel (height, width, inputs, filters) for one input channel.

    Mean, standard deviation and the limits of the colours are those of the whole kernel, so that filters of several
    channels can be compared.
    """
    tiles = np.moveaxis(kernel[:, :, channel, :], -1, 0)
    return _show(tiles, kernel, variable, channel if kernel.shape[2] > 1 else None)


def show_columns(kernel: NDArray[Any], variable: str, height: int, width: int) -> WeightsData:
    """Return each column of a matrix as an image: the weights from every pixel to one unit.

    Raises ValueError if the matrix does not have a row for each pixel.
    """
    return _show(kernel.T.reshape(-1, height, width), kernel, variable, None)


def show_matrix(matrix: NDArray[Any], variable: str) -> WeightsData:
    """Return a matrix as one image; of a large matrix its first rows and columns."""
    return _show(matrix[np.newaxis, :MAX_SIDE, :MAX_SIDE], matrix, variable, None)


def _show(tiles: NDArray[Any], whole: NDArray[Any], variable: str, channel: int | None) -> WeightsData:
    known = whole[np.isfinite(whole)]
    reach = float(np.abs(known).max()) if known.size else 1.0
    return WeightsData(
        kind="weights",
        variable=variable,
        shape=list(whole.shape),
        channel=channel,
        mean=finite(known.mean()) if known.size else None,
        std=finite(known.std()) if known.size else None,
        low=-reach,
        high=reach,
        tiles=pack(to_bytes(tiles[:MAX_TILES], -reach, reach)),
    )
