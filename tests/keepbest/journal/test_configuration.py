"""What a script's configuration holds, as JSON: whole numbers whole, arrays as lists, nothing that stops a script."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import datetime
import enum
import json
import logging
import pathlib
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.contract.runs import MAX_PARAMETERS, ExternalSource, RunRequest
from keepbest.journal.configuration import MAX_VALUES, to_json


class Kind(enum.Enum):
    ADAM = 1


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    RELU = "relu"


@dataclasses.dataclass
class Options:
    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)


class Point(NamedTuple):
    x: int
    y: int


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Layer:
    def get_config(self) -> dict[str, Any]:
        return {"units": np.int64(3)}


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


TABLE: list[tuple[Any, Any]] = [
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.float16(0.5), 0.5),
    (np.longdouble(0.5), 0.5),
    (np.int64(3), 3),
    (np.uint64(2**64 - 1), 2**64 - 1),
    (np.int64(2**60 + 1), 2**60 + 1),
    (10**30, 10**30),
    (-(10**299), -(10**299)),
    (10**400, str(10**400)),
    (10**5000, "<int of 16610 bits>"),
    (np.bool_(True), True),
    (np.str_("adam"), "adam"),
    (np.arange(4), [0, 1, 2, 3]),
    (np.array([[True], [False]]), [[True], [False]]),
    (np.array(0.5), 0.5),
    (np.array([np.nan, 1.0]), ["nan", 1.0]),
    ([np.array([1.0, 2.0])], [[1.0, 2.0]]),
    (np.dtype("float32"), "float32"),
    (np.float32, "numpy.float32"),
    (np.datetime64("2026-01-01"), "2026-01-01"),
    (pathlib.Path("data") / "train", "data/train"),
    ("a\0b", "a\ufffdb"),
    ("\ud800x", "?x"),
    ({("t", 1): 5}, {"('t', 1)": 5}),
    ({1: "a", "1": "b"}, {"1": "a", "1 (str)": "b"}),
    (Kind.ADAM, "Kind.ADAM"),
    (Level.HIGH, 3),
    (Word.RELU, "relu"),
    (Options(), {"rate": 0.1, "sizes": [1, 2]}),
    (Point(1, 2), {"x": 1, "y": 2}),
    (argparse.Namespace(lr=1), {"lr": 1}),
    (SimpleNamespace(lr=1), {"lr": 1}),
    (ExternalSource(), {"kind": "external"}),
    (Layer(), {"class": "Layer", "units": 3}),
    (max, "max"),
    (np.mean, "numpy.mean"),
    (datetime.datetime(2026, 1, 2, 3, tzinfo=datetime.UTC), "2026-01-02T03:00:00+00:00"),
    (datetime.timedelta(hours=1), "1:00:00"),
    (b"ab", "b'ab'"),
    ({3, 1, 10}, [1, 3, 10]),
    (frozenset({"b", "a"}), ["a", "b"]),
    (range(3), [0, 1, 2]),
    (collections.deque([1, 2]), [1, 2]),
    (float("nan"), "nan"),
    (-float("inf"), "-inf"),
    (True, True),
    (None, None),
    (1 + 2j, "(1+2j)"),
    (Broken(), "<Broken: RuntimeError>"),
]


@pytest.mark.parametrize(("value", "wanted"), TABLE, ids=lambda value: f"{type(value).__name__}")
def test_each_value_comes_out_as_what_it_is(value: Any, wanted: Any) -> None:
    got = to_json({"v": value})["v"]
    assert got == wanted
    assert type(got) is type(wanted)


def test_a_large_array_is_described() -> None:
    array = np.arange(1000, dtype=np.float32).reshape(10, 100)
    said = to_json({"v": array})["v"]
    assert (said["shape"], said["dtype"], said["min"], said["max"]) == ([10, 100], "float32", 0.0, 999.0)
    assert said["sha256"] != to_json({"v": array + 1})["v"]["sha256"]


def test_tensors_are_their_values() -> None:
    class Tensor:
        dtype, shape = "float32", (2,)

        def numpy(self) -> Any:
            return np.array([1.0, 2.0], np.float32)

    class Symbolic:
        dtype, shape = "float32", (None, 2)

    assert to_json({"a": Tensor(), "b": Symbolic()}) == {
        "a": [1.0, 2.0],
        "b": {"shape": "(None, 2)", "dtype": "float32"},
    }


def test_an_address_in_memory_is_no_part_of_a_configuration() -> None:
    assert "0x" not in json.dumps(to_json({"a": object(), "f": test_tensors_are_their_values, "l": lambda: 0}))


@pytest.mark.parametrize(
    "config",
    [
        {"v": cyclic()},
        {"v": list(range(10 * MAX_VALUES))},
        {"v": ["x" * 100_000] * 1000},
        {str(place): 1 for place in range(MAX_PARAMETERS + 1)},
    ],
    ids=["cyclic", "many values", "long texts", "many fields"],
)
def test_what_is_too_large_is_cut_and_said_once(config: Any, caplog: pytest.LogCaptureFixture) -> None:
    said = to_json(config)
    assert len(json.dumps(said)) < 400_000
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "leaves out" in caplog.text


def test_what_is_no_mapping_is_a_field() -> None:
    assert to_json([1, 2]) == {"config": [1, 2]}
    assert to_json(argparse.Namespace(lr=np.float32(0.5))) == {"lr": 0.5}


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(ODD)
def test_whatever_it_is_the_tracker_takes_it(value: Any) -> None:
    asked = RunRequest.model_validate({"source": {"kind": "external"}, "parameters": to_json({"v": value})})
    assert RunRequest.model_validate_json(asked.model_dump_json()) == asked
