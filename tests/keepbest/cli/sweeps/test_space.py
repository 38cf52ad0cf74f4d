"""What a sweep tries, as it is written."""

from __future__ import annotations

from typing import Any

import pytest

from keepbest.cli.runs.signature import Kind, Signature
from keepbest.cli.sweeps.space import parse_dimension, parse_space, show_dimension
from keepbest.contract.runs import Parameter
from keepbest.errors import InvalidInput

WRITTEN: list[tuple[str, Kind, dict[str, Any]]] = [
    ("0.1,0.01", "float", {"kind": "choices", "values": [0.1, 0.01]}),
    ("1", "float", {"kind": "choices", "values": [1.0]}),
    ("1e2, 5", "int", {"kind": "choices", "values": [100, 5]}),
    ("yes,no", "bool", {"kind": "choices", "values": [True, False]}),
    ("same,valid", "str", {"kind": "choices", "values": ["same", "valid"]}),
    ("relu,1,null", "json", {"kind": "choices", "values": ["relu", 1, None]}),
    ("[64,64],[32]", "json", {"kind": "choices", "values": [[64, 64], [32]]}),
    ("[[64,64],[32]]", "json", {"kind": "choices", "values": [[64, 64], [32]]}),
    ("choices(a, b)", "str", {"kind": "choices", "values": ["a", "b"]}),
    ("uniform(0, 0.5)", "float", {"kind": "uniform", "low": 0.0, "high": 0.5}),
    ("log(1e-5,1e-1)", "float", {"kind": "log_uniform", "low": 1e-5, "high": 0.1}),
    ("int(8, 64)", "int", {"kind": "int", "low": 8, "high": 64, "step": 1, "log": False}),
    ("int (8, 64, step=8)", "int", {"kind": "int", "low": 8, "high": 64, "step": 8, "log": False}),
    ("int(8, 64, 8)", "int", {"kind": "int", "low": 8, "high": 64, "step": 8, "log": False}),
    ("int(8, 512, log)", "int", {"kind": "int", "low": 8, "high": 512, "step": 1, "log": True}),
]


@pytest.mark.parametrize(("text", "kind", "read"), WRITTEN)
def test_a_written_dimension_is_shown_so_it_can_be_read_again(text: str, kind: Kind, read: dict[str, Any]) -> None:
    found = parse_dimension("x", text, kind)
    assert found.model_dump() == read
    if read["kind"] != "choices":
        assert parse_dimension("x", show_dimension(found), kind) == found


WRONG = [
    ("uniform(1)", "x: uniform takes two numbers"),
    ("uniform(1, 2, 3)", "x: uniform takes two numbers"),
    ("uniform(2, 1)", r"x=uniform\(2, 1\): .*low is less than high"),
    ("log(0, 1)", "greater than 0"),
    ("log(a, 1)", "x is a number, but got 'a'"),
    ("int(1.5, 2)", "x is a whole number"),
    ("int(1, 9, slow)", "x is a whole number, but got 'slow'"),
    ("int(0, 9, log)", "with log, low must be 1 or more"),
    ("gauss(0, 1)", r"there is no gauss\(…\)"),
    ("1,1", "a value occurs twice"),
    ("[1,", "is not JSON"),
    ("log(1e-4,1e-1", "does not end with"),
]


@pytest.mark.parametrize(("text", "told"), WRONG)
def test_what_is_wrong_names_the_parameter(text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as raised:
        parse_dimension("x", text, "float" if text.startswith("1,") else "json")
    assert raised.value.field == "x"


@pytest.mark.parametrize(
    ("pairs", "told", "field"),
    [
        (["units"], "does not say what to try", "space"),
        (["units="], "does not say what to try", "space"),
        (["unit=1,2"], "cnn has no parameter 'unit'", "unit"),
        (["units=1,2", "units=3"], "units occurs twice", "units"),
    ],
)
def test_a_space_is_of_the_parameters_there_are(pairs: list[str], told: str, field: str) -> None:
    signature = Signature((Parameter(name="units", type="int"),))
    with pytest.raises(InvalidInput, match=told) as raised:
        parse_space(pairs, signature, "cnn")
    assert raised.value.field == field
