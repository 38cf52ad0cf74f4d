"""The manifest: read back equal, and not one bit of it may differ."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from keepbest.checkpoint.manifest import Manifest, StoredVariable, decode, encode
from keepbest.errors import CheckpointDamaged, CheckpointError
from tests.support.states import NOON, RUN

ID = "c" * 12
DIGEST = "0f" * 32
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def variable(**changed: Any) -> StoredVariable:
    plain = {"collection": "model", "index": 0, "path": "a/b", "shape": (2, 3), "dtype": "float32"}
    return StoredVariable.model_validate({**plain, "digest": DIGEST, "object": DIGEST, **changed})


def manifest(**changed: Any) -> Manifest:
    plain: dict[str, Any] = {"id": ID, "run": RUN, "kind": "best", "step": 7, "at": NOON, "variables": (variable(),)}
    return Manifest.model_validate({**plain, **changed})


def framed(body: bytes) -> bytes:
    """Return a manifest's file with the right digest around any body."""
    return b'{"digest":"' + blake3(body).hexdigest().encode() + b'","manifest":' + body + b"}"


@given(value=FLOATS, number=st.floats(allow_nan=False, allow_infinity=False), words=st.text(max_size=50))
def test_what_is_written_is_read(value: float, number: float, words: str) -> None:
    written = manifest(value=value, stopper={"policy": {"average": number}, "words": words}, variables=())
    read, digest = decode(encode(written)[0], ID)
    assert digest == encode(written)[1]
    assert read.value == written.value or (math.isnan(value) and read.value is not None and math.isnan(read.value))
    assert read.stopper == written.stopper


def test_the_file_is_plain_json() -> None:
    data, digest = encode(manifest(value=math.nan))
    plain = json.loads(data, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert plain["digest"] == digest
    assert plain["manifest"]["value"] == "NaN"
    assert plain["manifest"]["variables"][0]["path"] == "a/b"


@pytest.mark.parametrize("later", ["callbacks", "averages"])
def test_an_older_manifest_does_not_know_all(later: str) -> None:
    plain = manifest().model_dump(mode="json")
    assert plain.pop(later) == {}
    assert decode(framed(json.dumps(plain).encode()), ID)[0] == manifest()


@pytest.mark.parametrize(
    ("averages", "changed", "said"),
    [
        ({0: 2}, {}, "belongs to no variable"),
        ({-1: 1}, {}, "belongs to no variable"),
        ({1: 0}, {}, "form"),
        ({0: 0}, {}, "form"),
        ({0: 1}, {"shape": (3, 2)}, "form"),
        ({0: 1}, {"dtype": "float64"}, "form"),
    ],
)
def test_an_average_is_the_optimizers_and_of_its_variables_form(
    averages: dict[int, int], changed: dict[str, Any], said: str
) -> None:
    moved = {"collection": "optimizer", "path": "adam/a_b_average"}
    good = manifest(variables=(variable(), variable(**moved)), averages={0: 1})
    assert decode(encode(good)[0], ID)[0].averages == {0: 1}
    with pytest.raises(ValueError, match=said):
        manifest(variables=(variable(), variable(**moved, **changed)), averages=averages)


def test_any_flipped_bit_is_found() -> None:
    data, _ = encode(manifest())
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        with pytest.raises(CheckpointDamaged):
            decode(bytes(damaged), ID)


@pytest.mark.parametrize("length", [0, 1, 11, 75, 90, -1])
def test_a_cut_manifest_is_found(length: int) -> None:
    with pytest.raises(CheckpointDamaged, match="digest differs"):
        decode(encode(manifest())[0][:length], ID)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 3},
        {"run": "../../etc/pw"},
        {"id": "short"},
        {"network": "../x"},
        {"kind": "worst"},
        {"step": -1},
        {"surprise": 1},
        {"variables": [{**variable().model_dump(), "object": "../../../../etc/passwd"}]},
        {"variables": [{**variable().model_dump(), "digest": "0F" * 32}]},
        {"variables": [{**variable().model_dump(), "digest": DIGEST + "\n"}]},
        {"variables": [{**variable().model_dump(), "index": 1}]},
        {"variables": [{**variable().model_dump(), "collection": "elsewhere"}]},
    ],
)
def test_nothing_in_it_is_trusted(changed: dict[str, Any]) -> None:
    body = json.dumps({**manifest().model_dump(mode="json"), **changed}).encode()
    with pytest.raises(CheckpointDamaged, match="cannot be read"):
        decode(framed(body), ID)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"format":1}', b"\xff\xfe"])
def test_a_body_that_is_no_manifest(body: bytes) -> None:
    with pytest.raises(CheckpointDamaged):
        decode(framed(body), ID)


def test_sizes() -> None:
    both = manifest(variables=(variable(), variable(collection="optimizer", shape=(), dtype="int64")))
    assert both.size_bytes == 2 * 3 * 4 + 8
    assert both.objects == {DIGEST}


def test_a_type_that_cannot_be_stored() -> None:
    with pytest.raises(CheckpointError, match="'string' cannot be stored"):
        _ = variable(dtype="string").size_bytes
