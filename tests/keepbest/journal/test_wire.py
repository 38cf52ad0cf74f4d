"""The binary form of a batch: written here, read here, and read the same by the tracker."""

from __future__ import annotations

import math
from array import array
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.contract.batches import BATCH_MEDIA_TYPE, Batch, Columns, LogLines, ReportedValidation
from keepbest.contract.per_example import CorrectExamples, Examples
from keepbest.contract.policies import StopperDecision
from keepbest.errors import InvalidInput
from keepbest.journal import wire
from tracker.api.batch_format import read_batch

WRITER = "000000000001"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMN = st.lists(st.tuples(st.integers(0, 2**53), st.floats(), st.floats(0, 4e9)), min_size=1, max_size=5)


def points_of(key: str, rows: list[tuple[int, float, float]]) -> wire.MetricPoints:
    steps, values, times = zip(*rows, strict=True)
    return wire.MetricPoints(0, key, array("q", steps), array("d", values), array("d", times))


def body_of(*parts: wire.MetricPoints, number: int = 1, logs: tuple[LogLines, ...] = ()) -> bytes:
    columns = [Columns(segment=part.segment, key=part.key, count=len(part)) for part in parts]
    return wire.encode(Batch(writer=WRITER, number=number, columns=columns, logs=list(logs)), parts)


@given(st.lists(COLUMN, max_size=4))
def test_what_is_written_is_read_back(columns: list[list[tuple[int, float, float]]]) -> None:
    parts = [points_of(f"metric {i}", rows) for i, rows in enumerate(columns)]
    header, read = wire.decode(body_of(*parts))
    assert header["writer"] == WRITER
    assert [part.key for part in read] == [part.key for part in parts]
    for one, other in zip(read, parts, strict=True):
        assert one.steps == other.steps
        assert one.values.tobytes() == other.values.tobytes()  # NaN too, to the last bit
        assert one.times == other.times


@given(st.lists(COLUMN, min_size=1, max_size=4))
def test_the_tracker_reads_the_same(columns: list[list[tuple[int, float, float]]]) -> None:
    parts = [points_of(f"metric {i}", rows) for i, rows in enumerate(columns)]
    came = read_batch(body_of(*parts), BATCH_MEDIA_TYPE)
    for column, part in zip(came.columns, parts, strict=True):
        assert column.key == part.key
        assert column.points.steps.tolist() == part.steps.tolist()
        assert column.points.values.tobytes() == part.values.tobytes()


@pytest.mark.parametrize("cut", [0, 3, 4, 10, -1])
def test_a_body_cut_short_is_refused(cut: int) -> None:
    body = body_of(points_of("loss", [(1, 0.5, 0.0)]))
    with pytest.raises(InvalidInput):
        wire.decode(body[:cut])


def test_a_body_with_a_rest_is_refused() -> None:
    with pytest.raises(InvalidInput):
        wire.decode(body_of(points_of("loss", [(1, 0.5, 0.0)])) + b"x")


def test_without_bulk_keeps_the_number_and_drops_points_and_logs() -> None:
    line = LogLines(stream="stdout", offset=0, text="hello", at=NOW)
    body = body_of(points_of("loss", [(1, 0.5, 0.0), (2, math.nan, 0.0)]), number=7, logs=(line,))
    less = wire.without_bulk(body)
    assert wire.count_points(body) == 2
    assert wire.decode(less) == ({"writer": WRITER, "number": 7}, [])


def validation(step: int, examples: Examples | None = None) -> ReportedValidation:
    return ReportedValidation(
        segment=0, step=step, decision=StopperDecision(stop=False, improved=False), examples=examples, at=NOW
    )


def test_examples_are_left_out_alone_or_with_all_bulky_data() -> None:
    part = points_of("loss", [(1, 0.5, 0.0)])
    said = Batch(
        writer=WRITER,
        number=2,
        columns=[Columns(segment=0, key="loss", count=1)],
        validations=[
            validation(1),
            validation(2, Examples(unpaired="why")),
            validation(3, Examples(correct=CorrectExamples(n=9, bits="AQE="))),
        ],
    )
    body = wire.encode(said, [part])
    less, least = wire.without_examples(body), wire.without_bulk(body)
    for left in (less, least):
        assert wire.decode(left)[0]["validations"] == wire.decode(body)[0]["validations"][:1] + [
            {**wire.decode(body)[0]["validations"][0], "step": step} for step in (2, 3)
        ]
    assert (wire.has_examples(body), wire.has_examples(less)) == (True, False)
    assert (wire.count_points(less), wire.count_points(least)) == (1, 0)
    assert wire.without_examples(less) is less
    assert wire.without_examples(wire.empty(WRITER, 1)) == wire.empty(WRITER, 1)


def test_renumbering_keeps_the_points() -> None:
    body = wire.renumbered(body_of(points_of("loss", [(1, 0.5, 0.0)])), "000000000002", 3)
    header, (part,) = wire.decode(body)
    assert (header["writer"], header["number"], part.values.tolist()) == ("000000000002", 3, [0.5])
