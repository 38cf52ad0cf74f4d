"""Panels of models with one or two inputs: the fitted curve with its points, and the answer over a plane by neuron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepbest.contract.panels import BoundaryData, FitData, Neuron, PackedArray
from keepbest.panels.packing import finite, pack

LINE_POINTS = 200
MAX_POINTS = 1500
GRID, NEURON_GRID = 48, 20

Answer = Callable[[NDArray[np.float32]], NDArray[Any]]


def draw_fit(x: NDArray[Any], y: NDArray[Any], answer: Answer) -> FitData:
    """Return points of one input and one target, and the model's answers over their range."""
    line = np.linspace(float(x.min()), float(x.max()), LINE_POINTS, dtype=np.float32)
    fitted = np.asarray(answer(line[:, np.newaxis])).reshape(len(line), -1)[:, 0]
    some = slice(None, MAX_POINTS)
    return FitData(
        kind="fit",
        x=x.ravel()[some].astype(float).tolist(),
        y=y.reshape(len(x), -1)[some, 0].astype(float).tolist(),
        line_x=line.astype(float).tolist(),
        line_y=[finite(value) for value in fitted],
    )


def draw_boundary(
    train: tuple[NDArray[Any], NDArray[Any]],
    test: tuple[NDArray[Any], NDArray[Any]] | None,
    answers: Callable[[NDArray[np.float32]], Sequence[tuple[str, NDArray[Any]]]],
    weights: Sequence[tuple[NDArray[Any], NDArray[Any]]] = (),
    *,
    discrete: bool = False,
) -> BoundaryData:
    """Return the answers of a model of two inputs over the square that holds its points.

    `answers` returns, for points (n, 2), the answer (n, units) of every layer by name, the output last. `weights` are
    the kernel and bias of each of these layers that is dense.
    """
    reach = float(np.ceil(max(np.abs(train[0]).max(), 1.0)))
    _, whole = answers(_grid(GRID, reach))[-1]
    coarse = list(answers(_grid(NEURON_GRID, reach)))
    return BoundaryData(
        kind="boundary",
        low=-reach,
        high=reach,
        grid=pack(np.asarray(whole).reshape(GRID, GRID, -1)),
        points=_points(*train),
        tests=_points(*test) if test is not None else None,
        layers=[
            _neurons(name, np.asarray(values), weights[place] if place < len(weights) else None)
            for place, (name, values) in enumerate(coarse)
        ],
        discrete=discrete,
    )


def _grid(size: int, reach: float) -> NDArray[np.float32]:
    """Return the points of a square, row by row from the top left."""
    along = np.linspace(-reach, reach, size, dtype=np.float32)
    across, up = np.meshgrid(along, along[::-1])
    return np.stack([across.ravel(), up.ravel()], axis=1)


def _points(x: NDArray[Any], y: NDArray[Any]) -> PackedArray:
    return pack(np.column_stack([x, y.reshape(len(x), -1)[:, 0]])[:MAX_POINTS])


def _neurons(name: str, values: NDArray[Any], weights: tuple[NDArray[Any], NDArray[Any]] | None) -> list[Neuron]:
    units = values.reshape(NEURON_GRID, NEURON_GRID, -1)
    return [
        Neuron(
            name=f"{name}/{unit}"[:200],
            grid=pack(units[:, :, unit]),
            bias=finite(weights[1][unit]) if weights is not None else None,
            weights=[finite(value) for value in weights[0][:, unit]] if weights is not None else [],
        )
        for unit in range(units.shape[-1])
    ]
