"""Imports as a test says them: a request, and packed points with their places."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from keepbest.contract.batches import BATCH_MEDIA_TYPE
from keepbest.foreign.foreign_run import Points
from tests.support.api import Api

#: Seconds since 1970 of the first point.
FIRST = 1_700_000_000.0
#: Where a run comes from.
ORIGIN = {"kind": "mlflow", "source": "run-1", "place": "mlruns"}


def a_metric(key: str, values: Sequence[float], *, first: int = 0, at: float = FIRST) -> Points:
    """Return values at steps that follow one another, one a second."""
    steps = np.arange(first, first + len(values))
    return Points(key, steps, np.array(values, float), at + np.arange(len(values), dtype=float))


def packed(*columns: tuple[Points, int, int]) -> bytes:
    """Return a batch of (points, offset, segment)."""
    told = [
        {"key": points.key, "segment": segment, "offset": offset, "count": len(points)}
        for points, offset, segment in columns
    ]
    header = json.dumps({"columns": told}).encode()
    arrays = [array.tobytes() for points, _, _ in columns for array in (points.steps, points.values, points.times)]
    return b"".join([struct.pack("<I", len(header)), header, *arrays])


def begin(api: Api, **said: Any) -> Any:
    """Begin an import and return its answer."""
    return api.post("/imports", {"origin": ORIGIN, "project": "digits", **said})


def send(api: Api, run: str, *columns: tuple[Points, int, int]) -> int:
    """Send points; return how many were new."""
    answer = api.call("POST", f"/imports/{run}/points", packed(*columns), headers={"Content-Type": BATCH_MEDIA_TYPE})
    assert answer.status_code == 200, answer.text
    return int(answer.get_json()["taken"])


def finish(api: Api, run: str, **said: Any) -> Any:
    """Have everything judged; return the last answer."""
    answer = api.post(f"/imports/{run}/end", said)
    while answer["left"]:
        answer = api.post(f"/imports/{run}/end", said)
    return answer
