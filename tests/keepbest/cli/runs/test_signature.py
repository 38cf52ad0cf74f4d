"""Signatures read without running the file, and --set typed by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keepbest.cli.runs.signature import Signature, parse_settings, read_signature, typed
from keepbest.contract.runs import Parameter
from keepbest.errors import InvalidInput, NotFound

SOURCE = """
raise SystemExit("this file was run")

def build(rate: float, layers: int = 3, *,
          name="cnn", deep=False, sizes=(1, 2), when=compute(), note: str | None = None):
    pass

def _helper(): ...
def other(**anything): ...
def starred(*arguments): ...
"""
SIGNATURE = Signature(
    (
        Parameter(name="learning_rate", type="float", default=1e-3),
        Parameter(name="layers", type="int", required=True),
        Parameter(name="deep", type="bool", default=False),
        Parameter(name="sizes", type="json", default=[1]),
        Parameter(name="name", type="str", default="cnn"),
    )
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_model.py"
    path.write_text(SOURCE)
    return path


def test_types_defaults_and_needs(file: Path) -> None:
    found = {one.name: (one.type, one.default, one.required) for one in read_signature(file, "build").parameters}
    assert found == {
        "rate": ("float", None, True),
        "layers": ("int", 3, False),
        "name": ("str", "cnn", False),
        "deep": ("bool", False, False),
        "sizes": ("json", [1, 2], False),
        "when": ("json", None, False),
        "note": ("str", None, False),
    }


def test_keywords_of_any_name(file: Path) -> None:
    signature = read_signature(file, "other")
    assert signature.takes_any
    assert parse_settings(["a=1", "b=x", "c=[1, 2]"], signature, "other") == {"a": 1, "b": "x", "c": [1, 2]}


def test_a_missing_function_names_those_there_are(file: Path) -> None:
    with pytest.raises(NotFound, match="no function 'biuld'") as caught:
        read_signature(file, "biuld")
    assert f"{file}:build" in str(caught.value.hint)
    assert "_helper" not in str(caught.value.hint)


def test_a_missing_file() -> None:
    with pytest.raises(NotFound, match=r"nowhere\.py cannot be read: no such file"):
        read_signature(Path("nowhere.py"), "build")


def test_stars_are_refused(file: Path) -> None:
    with pytest.raises(InvalidInput, match=r"may not take \*arguments"):
        read_signature(file, "starred")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (b"def build():\n    return (1\n", r"broken\.py:2: '\(' was never closed"),
        (b"x = 1\n\tdef build(): pass\n", r"broken\.py:2: unexpected indent"),
        (b"\xff\xfe", r"broken\.py"),
        (b"x = '\0'", r"broken\.py"),
    ],
)
def test_a_file_that_is_not_python_names_the_line(tmp_path: Path, source: bytes, told: str) -> None:
    path = tmp_path / "broken.py"
    path.write_bytes(source)
    with pytest.raises(InvalidInput, match=told):
        read_signature(path, "build")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "12", 12),
        ("int", "1e4", 10_000),
        ("int", "1_000", 1000),
        ("float", "1e-4", 1e-4),
        ("float", "3", 3.0),
        ("bool", "Yes", True),
        ("bool", "0", False),
        ("str", "12", "12"),
        ("str", "", ""),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("json", "relu", "relu"),
    ],
)
def test_typed(kind: Any, text: str, value: object) -> None:
    found = typed("x", kind, text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("int", "1.5", "x is a whole number, but got '1.5'"),
        ("int", "inf", "whole number"),
        ("int", "nan", "whole number"),
        ("int", "", "whole number"),
        ("float", "fast", "x is a number, but got 'fast'"),
        ("bool", "maybe", "x is true or false"),
    ],
)
def test_a_value_of_the_wrong_type_names_the_parameter(kind: Any, text: str, told: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        typed("x", kind, text)
    assert caught.value.field == "x"


@pytest.mark.parametrize(
    ("pairs", "told", "hint"),
    [
        (["layers=1", "learning_rte=1"], "has no parameter 'learning_rte'", "Did you mean learning_rate?"),
        (["layers=1", "zzz=1"], "has no parameter 'zzz'", "It has: learning_rate, layers"),
        (["layers"], "--set takes key=value, but got 'layers'", ""),
        (["=1"], "--set takes key=value", ""),
        (["layers=1", "layers=2"], "layers is set twice", ""),
        ([], "needs layers", "--set layers="),
    ],
)
def test_settings_that_do_not_fit(pairs: list[str], told: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=told) as caught:
        parse_settings(pairs, SIGNATURE, "cnn")
    assert hint in (caught.value.hint or "")


def test_a_value_may_hold_an_equals_sign() -> None:
    assert parse_settings(["layers=2", "name=a=b"], SIGNATURE, "cnn") == {"layers": 2, "name": "a=b"}
