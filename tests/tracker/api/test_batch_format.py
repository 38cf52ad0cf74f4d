"""Batches off the wire: both forms say the same, and whatever is wrong is named before a database is asked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from keepbest.contract.batches import BATCH_MEDIA_TYPE, MAX_BATCH_POINTS
from keepbest.errors import InvalidInput, TooLarge
from tests.support.trainer import pack
from tracker.api.batch_format import read_batch
from tracker.store.ingest import Delivery

BATCH: dict[str, Any] = {"writer": "w" * 12, "number": 1}
VALUES = some.floats(allow_nan=True, allow_infinity=True)


def read(body: dict[str, Any]) -> Delivery:
    return read_batch(json.dumps(body).encode(), "application/json")


def one(**column: Any) -> dict[str, Any]:
    usual = {"segment": 0, "key": "loss", "steps": [1], "values": [1.0], "times": [1.0]}
    return {"columns": [{**usual, **column}]}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"writer": "no"}, "writer"),
    ({"number": 0}, "number"),
    ({"number": True}, "number"),
    ({"number": "2"}, "number"),
    ({"columns": {}}, "columns"),
    ({"columns": ["x"]}, "columns"),
    ({"validations": [{"segment": 0}]}, "validations.0.step"),
    ({"unknown": [1]}, "unknown"),
    (one(key=""), "columns.0.key"),
    (one(key="a\nb"), "columns.0.key"),
    (one(key="x" * 201), "columns.0.key"),
    (one(segment=-1), "columns.0.segment"),
    (one(steps=[1.5]), "columns.0.steps"),
    (one(steps=[True]), "columns.0.steps"),
    (one(steps=[-1]), "columns.0.steps"),
    (one(steps=[2**53 + 1]), "columns.0.steps"),
    (one(steps=[2**80]), "columns.0.steps"),
    (one(steps=[1, 2]), "columns.0"),
    (one(steps=[], values=[], times=[]), "columns.0"),
    (one(values=["x"]), "columns.0.values"),
    (one(values=[[1.0]]), "columns.0.values"),
    (one(times=[None]), "columns.0.times"),
    (one(times=["Infinity"]), "columns.0.times"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
def test_a_wrong_body_names_its_field(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read({**BATCH, **wrong})
    assert caught.value.field == field


def test_an_old_field_names_the_present_one() -> None:
    with pytest.raises(InvalidInput, match="looks is named validations now") as caught:
        read({**BATCH, "looks": []})
    assert caught.value.field == "looks"
    assert "Upgrade keepbest where this run is trained" in str(caught.value.hint)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"writer": NaN}'])
def test_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_batch(body, "application/json")


PACKED_BATCH = pack({**BATCH, "columns": [{"segment": 0, "key": "a", "count": 3}]}, [([1, 2, 3], [0.0] * 3, [0.0] * 3)])


@pytest.mark.parametrize("size", range(0, len(PACKED_BATCH), 7))
def test_a_packed_batch_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(InvalidInput):
        read_batch(PACKED_BATCH[:size], BATCH_MEDIA_TYPE)


@pytest.mark.parametrize("body", [PACKED_BATCH + b"x", b"\xff" * 8, b"\xff\xff\xff\xff" + PACKED_BATCH[4:]])
def test_a_packed_batch_with_wrong_lengths_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_batch(body, BATCH_MEDIA_TYPE)


@pytest.mark.parametrize("count", [0, -1, 1.5, None, "3", MAX_BATCH_POINTS + 1, 2**62])
def test_a_count_that_is_no_count_is_refused(count: object) -> None:
    with pytest.raises(InvalidInput):
        read_batch(pack({**BATCH, "columns": [{"segment": 0, "key": "a", "count": count}]}, []), BATCH_MEDIA_TYPE)


def test_too_many_points_are_too_large() -> None:
    count = MAX_BATCH_POINTS // 2 + 1
    columns = [(np.arange(count), np.zeros(count), np.zeros(count))] * 2
    header = {**BATCH, "columns": [{"segment": 0, "key": key, "count": count} for key in "ab"]}
    with pytest.raises(TooLarge):
        read_batch(pack(header, columns), BATCH_MEDIA_TYPE)


@given(some.lists(some.tuples(some.integers(0, 2**53), VALUES, some.floats(0, 2e9)), min_size=1, max_size=20))
def test_both_forms_say_the_same(rows: list[tuple[int, float, float]]) -> None:
    steps, values, times = map(list, zip(*rows, strict=True))
    names = [value if np.isfinite(value) else None if np.isnan(value) else str(value) for value in values]
    listed = read({**BATCH, **one(steps=steps, values=names, times=times)}).columns[0]
    header = {**BATCH, "columns": [{"segment": 0, "key": "loss", "count": len(rows)}]}
    packed = read_batch(pack(header, [(steps, values, times)]), BATCH_MEDIA_TYPE).columns[0]
    assert (listed.key, listed.segment) == (packed.key, packed.segment)
    for name in ("steps", "values", "times"):
        np.testing.assert_array_equal(getattr(listed.points, name), getattr(packed.points, name))


def test_a_nul_is_replaced_because_training_goes_on() -> None:
    piece = {"stream": "stdout", "offset": 0, "text": "a\0b", "at": "2026-01-01T00:00:00Z"}
    records = read({**BATCH, "logs": [piece]}).records
    assert records is not None
    assert records.logs[0].text == "a\ufffdb"


def test_a_batch_of_columns_has_no_records() -> None:
    assert read({**BATCH, **one(), "validations": [], "progress": None}).records is None
