"""Scalars read by the thousand are those that are read one by one."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.foreign.tensorboard import scalars
from keepbest.foreign.tensorboard.record_file import RecordFile, frame_records
from keepbest.foreign.tensorboard.scalars import BlockEvents, ScalarReader
from keepbest.foreign.wire import write_field, write_single

STEPS = st.one_of(st.integers(0, 300), st.integers(-(2**63), 2**63 - 1))
FLOATS = st.floats(width=32)


def simple(tag: str, value: float) -> bytes:
    """A value as TensorFlow 1, tensorboardX and PyTorch write it."""
    return write_field(1, tag) + write_single(2, value)


def tensor(tag: str, dtype: int, content: bytes, *, plugin: str | None = "scalars") -> bytes:
    """A value as TensorFlow 2 writes it."""
    metadata = b"" if plugin is None else write_field(9, write_field(1, write_field(1, plugin)))
    return write_field(1, tag) + metadata + write_field(8, write_field(1, dtype) + write_field(2, b"") + content)


def single(tag: str, value: float) -> bytes:
    return tensor(tag, 1, write_field(4, struct.pack("<f", value)))


def double(tag: str, value: float) -> bytes:
    return tensor(tag, 2, write_field(6, struct.pack("<d", value)))


def event(step: int, *values: bytes, at: float = 1.0) -> bytes:
    numbers = write_field(1, at) + (write_field(2, step) if step else b"")
    return numbers + write_field(5, b"".join(write_field(1, value) for value in values))


def read(folder: Path, *events: bytes) -> BlockEvents:
    path = folder / "events.out.tfevents.1"
    path.write_bytes(frame_records(events))
    (block,) = RecordFile(path).read()
    return ScalarReader().read(block)


def as_dict(events: BlockEvents) -> dict[str, list[tuple[int, float, float]]]:
    return {
        column.tag: list(zip(column.steps.tolist(), column.values.tolist(), column.times.tolist(), strict=True))
        for column in events.scalars
    }


EVENTS = st.lists(
    st.builds(
        lambda step, forms, at: event(step, *(form(tag, value) for form, tag, value in forms), at=at),
        STEPS,
        st.lists(
            st.tuples(st.sampled_from([simple, single, double]), st.sampled_from(["a", "b", "loss", "é"]), FLOATS),
            min_size=1,
            max_size=2,
        ),
        st.floats(allow_nan=False),
    ),
    max_size=20,
)


@settings(max_examples=100)
@given(EVENTS)
def test_read_together_is_read_one_by_one(tmp_path_factory: pytest.TempPathFactory, events: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("events")
    if not events:
        return
    together = read(folder, *events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalars, "_MAX_LENGTH", 0)
        apart = read(folder, *events)
    assert repr(sorted(as_dict(together).items())) == repr(sorted(as_dict(apart).items()))
    assert together.others == apart.others == []


def test_each_tag_has_its_values_in_order(tmp_path: Path) -> None:
    events = [event(step, form(tag, step / 4), at=100.0 + step) for step in range(300) for form, tag in
              ((simple, "loss"), (simple, "rate"), (single, "acc"), (double, "f1"))]  # fmt: skip
    read_values = as_dict(read(tmp_path, *events))
    expected = [(step, step / 4, 100.0 + step) for step in range(300)]
    assert read_values == {"loss": expected, "rate": expected, "acc": expected, "f1": expected}


@pytest.mark.parametrize(
    ("dtype", "content", "expected"),
    [
        (19, write_field(13, 0x3800), 0.5),
        (14, write_field(4, b"\x00\x3f"), 0.5),
        (3, write_field(7, 2**64 - 7), -7.0),
        (9, write_field(10, b"\x05"), 5.0),
        (10, write_field(11, 1), 1.0),
        (1, write_single(5, math.inf), math.inf),
    ],
)
def test_a_tensor_of_any_type_is_a_number(tmp_path: Path, dtype: int, content: bytes, expected: float) -> None:
    assert as_dict(read(tmp_path, event(1, tensor("x", dtype, content)))) == {"x": [(1, expected, 1.0)]}


def test_only_the_first_event_says_what_a_tag_is_for(tmp_path: Path) -> None:
    content = write_single(5, 2.0)
    events = [event(step, tensor("x", 1, content, plugin="scalars" if step == 0 else None)) for step in range(3)]
    assert [step for step, _, _ in as_dict(read(tmp_path, *events))["x"]] == [0, 1, 2]


@pytest.mark.parametrize(
    "value",
    [
        tensor("x", 1, write_single(5, 1.0), plugin=None),
        tensor("x", 7, write_field(8, "text"), plugin="text"),
        tensor("x", 1, write_single(5, 1.0) * 3),
        tensor("x", 1, b""),
        tensor("x", 99, write_single(5, 1.0)),
        tensor("x", 1, write_field(4, b"abc")[:-1] + b"c"),
        write_field(1, "x") + write_field(5, b""),
    ],
)
def test_what_is_no_scalar_is_handed_on(tmp_path: Path, value: bytes) -> None:
    events = read(tmp_path, event(3, value, simple("loss", 0.5)))
    assert as_dict(events).get("x") is None
    assert [place for place, _ in events.others] == [0] or events.faults == 1


@pytest.mark.parametrize(
    "record", [b"\xff" * 20, b"\x08", b"\x2a\x7f", b"\x03", b"\x00\x01", b"\x2a\xff\xff\xff\xff\x7f"]
)
def test_what_is_no_event_is_counted(tmp_path: Path, record: bytes) -> None:
    events = read(tmp_path, event(1, simple("loss", 0.5)), record, event(2, simple("loss", 0.25)))
    assert as_dict(events) == {"loss": [(1, 0.5, 1.0), (2, 0.25, 1.0)]}
    assert events.faults == 1


def test_a_thousand_tags_of_a_length_are_read_together(tmp_path: Path) -> None:
    events = [event(step, simple(f"tag{number:04d}", number)) for step in (1, 2) for number in range(1000)]
    columns = read(tmp_path, *events).scalars
    assert len(columns) == 1000
    assert all(np.array_equal(column.steps, [1, 2]) for column in columns)
