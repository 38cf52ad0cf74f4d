"""IDX files: what is read, and what each kind of wrong file is told."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from keepbest.errors import InvalidInput
from worker.data.idx import read_idx

CODES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}
LABELS = np.arange(10, dtype=np.uint8)


def encode(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.name], array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda name: npst.arrays(name, npst.array_shapes(max_dims=4, min_side=0, max_side=5))
    ),
    packed=st.booleans(),
)
def test_what_was_written_is_read(array: np.ndarray, packed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("idx") / "any-name"
    path.write_bytes(gzip.compress(encode(array), 1) if packed else encode(array))
    found = read_idx(path, dimensions=array.ndim)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@given(content=st.binary(max_size=64).filter(lambda content: content[:2] != b"\0\0"))
def test_any_other_bytes_are_refused_by_name(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("idx") / "foreign"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_idx(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


@given(cut=st.integers(0, len(encode(LABELS)) - 1), packed=st.booleans())
def test_a_truncated_file_is_refused(cut: int, packed: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("idx") / "cut"
    whole = gzip.compress(encode(LABELS)) if packed else encode(LABELS)
    path.write_bytes(whole[:cut])
    with pytest.raises(InvalidInput, match=r"cut short|not an IDX file"):
        read_idx(path)


WRONG = {
    "is not an IDX file": b"\x89PNG\r\n\x1a\n",
    "within its header": b"\0\0\x08\x03\0\0\0\x01",
    "is longer than its header says": encode(LABELS.reshape(1, 2, 5)) + b"!",
    "has 1 dimensions instead of 3: is it another file of the set?": encode(LABELS),
    "is damaged or cut short": b"\x1f\x8bnot gzip at all",
    "needs 65536 bytes of data, but it has 1": b"\0\0\x08\x03\0\0\0\x01\0\0\x01\0\0\0\x01\0!",
    "at most 4 GiB are allowed": b"\0\0\x08\x03\0\0\0\x01\0\x02\0\0\0\x02\0\0!",
    "255 dimensions by its header; at most 8": b"\0\0\x08\xff" + bytes(1020),
}


@pytest.mark.parametrize(("message", "content"), WRONG.items())
def test_each_fault_has_its_message(message: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InvalidInput) as caught:
        read_idx(path, dimensions=3)
    assert message in caught.value.message
    assert caught.value.field == "data"


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_idx(tmp_path / name)
