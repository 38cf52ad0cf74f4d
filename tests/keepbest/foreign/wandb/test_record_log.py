"""W&B's framing: what is whole and right is read, whatever happened to the rest of the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepbest.foreign.wandb import record_log
from keepbest.foreign.wandb.record_log import HEADER, RecordLog, write_log

SIZES = st.sampled_from([0, 1, 5, 100, 32_747, 32_754, 32_755, 40_000, 70_000])
RECORDS = st.lists(SIZES, max_size=5).map(lambda sizes: [bytes([size % 251]) * size for size in sizes])


def read(path: Path, data: bytes) -> tuple[list[bytes], list[str]]:
    path.write_bytes(data)
    log = RecordLog(path)
    return list(log.read()), log.faults


@settings(max_examples=50)
@given(RECORDS)
def test_records_of_any_length_are_read(tmp_path_factory: pytest.TempPathFactory, records: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("run") / "run-a.wandb"
    assert read(path, write_log(records)) == (records, [])


@settings(max_examples=60)
@given(RECORDS, st.data())
def test_any_cut_leaves_the_records_ahead_of_it(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    whole = write_log(records)
    cut = data.draw(st.integers(len(HEADER), len(whole)))
    kept, _ = read(tmp_path_factory.mktemp("run") / "run-a.wandb", whole[:cut])
    assert kept == records[: len(kept)]
    assert len(kept) == len(records) or cut < len(write_log(records[: len(kept) + 1]))


@pytest.mark.parametrize("at", [7, 9, 11, 13, 14])
def test_a_flipped_bit_ends_the_reading_there(tmp_path: Path, at: int) -> None:
    whole = bytearray(write_log([b"one", b"two", b"three"]))
    whole[at + 10] ^= 64
    kept, faults = read(tmp_path / "run-a.wandb", bytes(whole))
    assert kept == [b"one"]
    assert len(faults) == 1
    assert "damaged at byte 17" in faults[0] or "ends in the middle" in faults[0]


@pytest.mark.parametrize("data", [b"", b":W&B", b"PK\x03\x04 something else", b":W&B\xe1\xbe\x01"])
def test_a_file_of_anything_else_says_so(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "run-a.wandb"
    assert read(path, data) == ([], [f"{path}: is no file of W&B, or of a version that is not known."])


def test_a_record_without_its_beginning_ends_it(tmp_path: Path) -> None:
    whole = write_log([bytes(40_000), b"two"])
    kept, faults = read(tmp_path / "run-a.wandb", HEADER + bytes(2**15 - len(HEADER)) + whole[2**15 :])
    assert kept == []
    assert "without its beginning" in faults[0]


def test_a_record_that_is_too_long_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_log, "MAX_RECORD_BYTES", 50_000)
    kept, faults = read(tmp_path / "run-a.wandb", write_log([b"one", bytes(100_000), b"two"]))
    assert kept == [b"one", b"two"]
    assert faults == [f"{tmp_path / 'run-a.wandb'}: a record of 100,000 bytes, over 50,000."]
