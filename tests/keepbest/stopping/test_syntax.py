"""Policies as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.errors import InvalidInput
from keepbest.stopping import build, parse, render


def policy(name: str, **params: Any) -> dict[str, Any]:
    return {"name": name, "params": params, "policies": []}


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("patience(checks=10, min_delta=0.001)", policy("patience", checks=10, min_delta=0.001)),
        ("patience", policy("patience")),
        ("patience()", policy("patience")),
        ("patience(10)", policy("patience", checks=10)),
        ("patience(10, min_delta=1e-3)", policy("patience", checks=10, min_delta=0.001)),
        ("patience(steps=1_000, every_step=False)", policy("patience", steps=1000, every_step=False)),
        ("patience(steps=10, inclusive=true)", policy("patience", steps=10, inclusive=True)),
        ("patience(checks=none)", policy("patience", checks=None)),
        ("1000steps", policy("patience", steps=1000)),
        (" 1_000 steps ", policy("patience", steps=1000)),
        ("10epochs", policy("patience", epochs=10.0)),
        (" 0.5 epoch", policy("patience", epochs=0.5)),
        ("10checks", policy("patience", checks=10)),
        ("1check", policy("patience", checks=1)),
        ("10", policy("patience", checks=10)),
        ("check_finite()", policy("check_finite")),
        ("stopping_threshold(-.5)", policy("stopping_threshold", threshold=-0.5)),
    ],
)
def test_one_policy(text: str, spec: dict[str, Any]) -> None:
    assert parse(text) == spec


def test_a_bar_means_any_of() -> None:
    parts = [policy("patience", checks=10), policy("max_seconds", seconds=3600), policy("check_finite")]
    assert parse("10checks | max_seconds(3600)\n| check_finite") == {"name": "any_of", "params": {}, "policies": parts}


def joined(name: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "params": {}, "policies": list(parts)}


def require(condition: str, part: dict[str, Any]) -> dict[str, Any]:
    return {"name": "require", "params": {"condition": condition}, "policies": [part]}


A, B, C = policy("patience", checks=10), policy("max_steps", steps=5), policy("check_finite")


@pytest.mark.parametrize(
    ("text", "spec", "rendered"),
    [
        ("10 & max_steps(5)", joined("all_of", A, B), "patience(checks=10) & max_steps(steps=5)"),
        (
            "check_finite | 10 & max_steps(5)",
            joined("any_of", C, joined("all_of", A, B)),
            "check_finite() | patience(checks=10) & max_steps(steps=5)",
        ),
        (
            "(check_finite | 10) & max_steps(5)",
            joined("all_of", joined("any_of", C, A), B),
            "(check_finite() | patience(checks=10)) & max_steps(steps=5)",
        ),
        ("((10))", A, "patience(checks=10)"),
        ('require("a >= 1", 10)', require("a >= 1", A), 'require("a >= 1", patience(checks=10))'),
        ("require(condition='a<1', (10))", require("a<1", A), 'require("a<1", patience(checks=10))'),
        ("shadow(10)", joined("shadow", A), "shadow(patience(checks=10))"),
        (
            "shadow(10 | max_steps(5)) | check_finite",
            joined("any_of", joined("shadow", joined("any_of", A, B)), C),
            "shadow(patience(checks=10) | max_steps(steps=5)) | check_finite()",
        ),
    ],
)
def test_an_ampersand_means_all_of_and_binds_tighter(text: str, spec: dict[str, Any], rendered: str) -> None:
    assert parse(text) == spec
    assert render(spec) == rendered
    assert parse(rendered) == spec


@pytest.mark.parametrize(
    ("text", "caret", "field", "says"),
    [
        ("", 0, "stopper", "here is nothing"),
        ("pacience(3)", 0, "stopper.name", "no policy"),
        ("10 | max_sec(3)", 5, "stopper.policies.1.name", "no policy"),
        ("patience(chekcs=3)", 9, "stopper.params.chekcs", "no parameter 'chekcs'"),
        ("patience(checks=0)", 16, "stopper.params.checks", "at least 1"),
        ("10 | patience(checks=0)", 21, "stopper.policies.1.params.checks", "at least 1"),
        ("patience(checks=3, steps=4)", 25, "stopper.params.steps", "not in both"),
        ("0steps", 0, "stopper.params.steps", "at least 1"),
        ("patience(checks=3", 17, "stopper", "',' or ')'"),
        ("patience(checks 3)", 16, "stopper", "'=' and a value"),
        ("patience(checks=)", 16, "stopper", "umber, true or false"),
        ("patience(checks=ten)", 16, "stopper", "umber, true or false"),
        ("patience(3, 4)", 12, "stopper", "parameter's name"),
        ("patience(checks=3, checks=4)", 19, "stopper", "given twice"),
        ("patience(3) max_steps(4)", 12, "stopper", "or the end"),
        ("patience(3) |", 13, "stopper", "here is nothing"),
        ("any_of(patience)", 0, "stopper", "written with '|'"),
        ("all_of(patience)", 0, "stopper", "written with '&'"),
        ("(10 | max_steps(3)", 18, "stopper", "or ')'"),
        ("10 | (max_steps(3) & patience(checks=0))", 37, "stopper.policies.1.policies.1.params.checks", "at least 1"),
        ("((((((((10))))))))", 7, "stopper", "6 deep"),
        ("shadow", 6, "stopper", "encloses a policy"),
        ("shadow()", 7, "stopper", "here is ')'"),
        ("10 | shadow(patience(checks=0))", 28, "stopper.policies.1.policies.0.params.checks", "at least 1"),
        ("10 & shadow(10)", 0, "stopper.policies", "never stops"),
        ("require(10)", 0, "stopper.params.condition", "needs condition"),
        ('require("a >= 1")', 16, "stopper", "and a policy"),
        ('require("a >= 1", )', 18, "stopper", "here is ')'"),
        ('10 | require("a is 1", 10)', 13, "stopper.policies.1.params.condition", "no bound"),
        ('require("a >= 1, 10)', 8, "stopper", "A policy was expected"),
        ('patience("3")', 9, "stopper.params.checks", "whole number"),
        ("require(3, 10)", 9, "stopper", "or ')'"),
        ("shadow(10, 10)", 9, "stopper", "or ')'"),
        ("check_finite(3)", 13, "stopper", "none"),
        ("max_steps", 0, "stopper.params.steps", "needs steps"),
        ("1.5", 0, "stopper", "whole number"),
        ("patience(checks=3; 4)", 17, "stopper", "',' or ')'"),
        ("__import__('os')", 0, "stopper.name", "no policy"),
    ],
)
def test_errors_point_at_the_place(text: str, caret: int, field: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)
    _, shown, mark = caught.value.message.split("\n")
    assert says in caught.value.message
    assert shown == f"  {text}"
    assert mark.index("^") - 2 == caret
    assert caught.value.field == field


def test_the_nearest_right_name_is_offered() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("patience(min_detla=3)")
    assert caught.value.hint == "Did you mean 'min_delta'?"


def test_a_long_text_is_refused() -> None:
    with pytest.raises(InvalidInput):
        parse("1" * 100_000)


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_an_error_that_says_why(text: str) -> None:
    try:
        build(parse(text), "max")
    except InvalidInput as error:
        said = error.message
    else:
        said = "a policy"
    assert said


WHOLE = st.integers(1, 10**6)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POLICIES = st.one_of(
    st.builds(lambda n, d: policy("patience", checks=n, min_delta=d), WHOLE, st.floats(0, 10)),
    st.builds(lambda n, e: policy("patience", steps=n, every_step=e), WHOLE, st.booleans()),
    st.builds(lambda v: policy("stopping_threshold", threshold=v), FINITE),
    st.builds(lambda n: policy("max_steps", steps=n), WHOLE),
    st.just(policy("check_finite")),
)


ALL_OF = st.lists(POLICIES, min_size=2, max_size=3).map(lambda parts: joined("all_of", *parts))
ANY_OF = st.lists(st.one_of(POLICIES, ALL_OF), min_size=2, max_size=4).map(lambda parts: joined("any_of", *parts))
NESTED = st.lists(st.one_of(POLICIES, ANY_OF), min_size=2, max_size=3).map(lambda parts: joined("all_of", *parts))


INNER = st.one_of(POLICIES, ANY_OF)
WRAPPED = st.one_of(
    INNER.map(lambda part: joined("shadow", part)),
    st.builds(lambda limit, part: require(f"a b/c > {limit}", part), FINITE, INNER),
)


@given(st.one_of(POLICIES, ALL_OF, ANY_OF, NESTED, WRAPPED))
def test_what_is_rendered_is_read_back(spec: dict[str, Any]) -> None:
    assert parse(render(spec)) == spec
