"""Packs: the safetensors format, written from buffers as they are."""

from __future__ import annotations

import errno
import fcntl
import os
from fcntl import fcntl as fcntl_of
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from keepbest.checkpoint.files import direct_io, pack
from keepbest.checkpoint.files.dtypes import code_of, numpy_dtype, size_of
from keepbest.errors import CheckpointDamaged

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "uint16", "bool"]


def part(array: Any) -> pack.PackEntry:
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    dtype = str(array.dtype)
    return pack.PackEntry(pack.digest_of(dtype, array.shape, data), dtype, array.shape, data)


def write(path: Path, arrays: list[Any]) -> tuple[str, list[pack.PackEntry]]:
    parts = [part(array) for array in arrays]
    header = pack.header_of(parts)
    with path.open("wb") as file:
        assert pack.write(file.fileno(), header, parts) == path.stat().st_size
    return pack.name_of(header), parts


def numbers(count: int) -> list[Any]:
    return [np.random.default_rng(seed).random((seed % 7, 3), dtype=np.float32) for seed in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 511, 512, 1300])
def test_safetensors_reads_what_we_write(tmp_path: Path, count: int) -> None:
    arrays = {part(array).digest: array for array in numbers(count)}
    write(tmp_path / "x.safetensors", list(arrays.values()))
    read = load_file(tmp_path / "x.safetensors")
    assert read.keys() == arrays.keys()
    assert all(np.array_equal(read[digest], array) for digest, array in arrays.items())


@pytest.mark.parametrize("dtype", DTYPES)
def test_types(tmp_path: Path, dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(numpy_dtype(dtype))
    write(tmp_path / "x.safetensors", [array, array[0, 0].reshape(())])
    read = load_file(tmp_path / "x.safetensors")[part(array).digest]
    assert read.tobytes() == array.tobytes()
    assert size_of(dtype) == array.dtype.itemsize


def test_a_write_that_stops_early_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.writev

    def lazy(descriptor: int, buffers: list[Any]) -> int:
        return os.write(descriptor, memoryview(buffers[0])[:5]) if len(buffers[0]) else whole(descriptor, buffers)

    monkeypatch.setattr(os, "writev", lazy)
    write(tmp_path / "x.safetensors", numbers(9))
    monkeypatch.undo()
    write(tmp_path / "y.safetensors", numbers(9))
    assert (tmp_path / "x.safetensors").read_bytes() == (tmp_path / "y.safetensors").read_bytes()


def test_the_digest_covers_type_and_shape() -> None:
    zeros = np.zeros(8, np.uint8)
    digests = {
        pack.digest_of(dtype, shape, zeros) for dtype, shape in [("float32", [2]), ("int32", [2]), ("float32", [1, 2])]
    }
    assert len(digests) == 3


def test_the_header_is_found_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    name, parts = write(path, numbers(3))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        places, size = pack.read_header(descriptor, name)
        assert size == path.stat().st_size
        assert {
            one.digest: os.pread(descriptor, count, offset) for one in parts for offset, count in [places[one.digest]]
        } == {one.digest: one.data.tobytes() for one in parts}
        with pytest.raises(CheckpointDamaged, match="header"):
            pack.read_header(descriptor, "0" * 64)
    finally:
        os.close(descriptor)


def test_codes_are_those_of_the_format() -> None:
    assert [code_of(dtype) for dtype in ("float32", "bfloat16", "bool", "uint8")] == ["F32", "BF16", "BOOL", "U8"]


def refusing(refused: str) -> Any:
    """Return a stand-in for one call of the operating system that file systems are known to refuse or to cut short."""
    call: Any = getattr(os if refused != "fcntl" else fcntl, "write" if refused != "fcntl" else "fcntl")

    def stand_in(descriptor: int, *rest: Any) -> Any:
        is_direct = fcntl_of(descriptor, fcntl.F_GETFL) & os.O_DIRECT
        if (refused == "fcntl" and len(rest) == 2) or (refused == "write" and is_direct):
            raise OSError(errno.EINVAL, "no direct writes here")
        return call(descriptor, rest[0][:5000]) if refused == "short" else call(descriptor, *rest)

    return stand_in


@pytest.mark.parametrize("refused", ["nothing", "fcntl", "write", "short"])
@pytest.mark.parametrize("chunk_bytes", [4096, 12288])
def test_past_the_cache_the_file_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, chunk_bytes: int
) -> None:
    arrays = [*numbers(40), np.random.default_rng(1).random(9000)]
    write(tmp_path / "cached", arrays)
    monkeypatch.setattr(direct_io, "DIRECT_FROM_BYTES", 0)
    monkeypatch.setattr(direct_io, "CHUNK_BYTES", chunk_bytes)
    if refused == "fcntl":
        monkeypatch.setattr(fcntl, "fcntl", refusing(refused))
    elif refused != "nothing":
        monkeypatch.setattr(os, "write", refusing(refused))
    write(tmp_path / "direct", arrays)
    assert (tmp_path / "direct").read_bytes() == (tmp_path / "cached").read_bytes()
