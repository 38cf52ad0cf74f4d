"""TFRecord framing: what is whole and right is read, whatever happened to the rest of the file."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.foreign.tensorboard import record_file
from keepbest.foreign.tensorboard.crc32c import mask_sums
from keepbest.foreign.tensorboard.record_file import RecordFile, frame_records

#: "123456789", 32 zeros, 32 ones: the check values of RFC 3720, and of nothing.
KNOWN = [(b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (b"", 0)]


def read_all(path: Path) -> list[bytes]:
    return [block.record(place) for block in RecordFile(path).read() for place in range(len(block))]


def unmask(number: int) -> int:
    turned = number - 0xA282EAD8 & 0xFFFFFFFF
    return (turned >> 17 | turned << 15) & 0xFFFFFFFF


@pytest.mark.parametrize(("record", "expected"), KNOWN)
def test_the_sum_has_the_published_value(record: bytes, expected: int) -> None:
    (masked,) = mask_sums(np.frombuffer(record, np.uint8), np.array([0]), np.array([len(record)]))
    assert unmask(int(masked)) == expected


def slow_sum(record: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in record:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    return value ^ 0xFFFFFFFF


@settings(max_examples=30)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_sums_of_many_are_sums_of_each(records: list[bytes]) -> None:
    lengths = np.array([len(record) for record in records])
    masked = mask_sums(np.frombuffer(b"".join(records), np.uint8), np.cumsum(lengths) - lengths, lengths)
    assert [unmask(int(number)) for number in masked] == [slow_sum(record) for record in records]


def test_the_sum_of_a_long_record_is_joined() -> None:
    record = np.random.default_rng(0).bytes(10_001)
    (masked,) = mask_sums(np.frombuffer(record, np.uint8), np.array([0]), np.array([len(record)]))
    assert unmask(int(masked)) == slow_sum(record)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_any_cut_leaves_the_records_ahead_of_it(records: list[bytes], data: st.DataObject) -> None:
    whole = frame_records(records)
    cut = data.draw(st.integers(0, len(whole)))
    path = Path(data.draw(st.just("cut")))
    starts, lengths = record_file.find_records(whole[:cut])
    kept = [whole[start : start + length] for start, length in zip(starts.tolist(), lengths.tolist(), strict=True)]
    assert kept == records[: len(kept)]
    assert len(kept) == len(records) or cut < len(frame_records(records[: len(kept) + 1])), path


def test_a_cut_file_is_read_on_where_it_ended(tmp_path: Path) -> None:
    whole, path = frame_records([b"one", b"two", b"three"]), tmp_path / "events"
    path.write_bytes(whole[:30])
    records = RecordFile(path)
    assert [block.record(0) for block in records.read()] == [b"one"]
    assert records.unread == 11
    assert records.faults == []
    path.write_bytes(whole)
    (block,) = records.read()
    assert [block.record(place) for place in range(2)] == [b"two", b"three"]
    assert records.unread == 0


@pytest.mark.parametrize("at", range(19, 38))
def test_a_flipped_bit_ends_the_reading_there(tmp_path: Path, at: int) -> None:
    whole = bytearray(frame_records([b"one", b"two", b"three"]))
    whole[at] ^= 16
    path = tmp_path / "events"
    path.write_bytes(whole)
    records = RecordFile(path)
    kept = [block.record(place) for block in records.read() for place in range(len(block))]
    assert kept == [b"one"]
    assert records.faults == [f"{path}: damaged at byte 19; what lies behind is left out."]
    assert list(records.read()) == []  # and it stays so


@pytest.mark.parametrize("length", [2**60, 2**63 - 1, 2**64 - 1])
def test_an_endless_length_takes_no_memory(tmp_path: Path, length: int) -> None:
    head = struct.pack("<Q", length)
    (masked,) = mask_sums(np.frombuffer(head, np.uint8), np.array([0]), np.array([8]))
    path = tmp_path / "events"
    path.write_bytes(frame_records([b"one"]) + head + struct.pack("<I", masked) + b"more")
    records = RecordFile(path)
    assert [block.record(0) for block in records.read()] == [b"one"]
    assert records.unread == 16


def test_a_record_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "MAX_RECORD_BYTES", 50)
    monkeypatch.setattr(record_file, "BLOCK_BYTES", 64)
    path = tmp_path / "events"
    path.write_bytes(frame_records([b"one", bytes(100), b"two"]))
    records = RecordFile(path)
    assert [block.record(0) for block in records.read() if len(block)] == [b"one", b"two"]
    assert records.faults == [f"{path}: an event of 116 bytes, over 50."]


def test_records_longer_than_a_block_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_file, "BLOCK_BYTES", 64)
    records = [bytes([number]) * length for number, length in enumerate((3, 500, 0, 60, 1))]
    path = tmp_path / "events"
    path.write_bytes(frame_records(records))
    assert read_all(path) == records


def test_a_file_of_anything_else_is_damaged_at_once(tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_bytes(zlib.compress(bytes(1000)))
    records = RecordFile(path)
    assert list(records.read()) == []
    assert records.faults == [f"{path}: damaged at byte 0; what lies behind is left out."]
