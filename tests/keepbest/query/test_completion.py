"""What a filter offers next, where somebody is writing it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepbest.query.completion import MOST, complete
from keepbest.query.known import Known
from keepbest.query.parser import parse
from tests.support.filters import NOW

KNOWN = Known(
    metrics=["val_loss", "val_accuracy", "my loss", "best"],
    parameters={
        "learning_rate": [0.001, 0.01],
        "optimizer": ["adam", "two words", "true"],
        "flag": [True],
        "shift": [-0.5, -2, "-x"],
    },
    tags=["vision", "team=red", "team=blue"],
    recipes=["hvass-cnn"],
    workers=["mill"],
    users=["ada"],
)

#: The filter with a bar at the cursor, and what is offered first.
FIRST = [
    ("val_l|", ["val_loss"]),
    ("LOSS|", ["my loss", "val_loss"]),
    ("sta|", ["state", "started"]),
    ("mnist and sta|", ["state", "started"]),
    ("mnist sta|", ["state", "started"]),
    ("(-opt|", ["optimizer"]),
    ("val_loss.l|", ["val_loss.last", "val_loss.last_step"]),
    ("metrics.bes|", ["metrics.best"]),
    ("params.lea|", ["params.learning_rate"]),
    ("tags.te|", ["tags.team"]),
    ("val_loss |", ["=", "!=", "<"]),
    ("state |", ["=", "!=", "~"]),
    ("state n|", ["not in ("]),
    ("state = |", ["queued", "leased"]),
    ("state=fa|", ["failed"]),
    ("state in (failed, fin|", ["finished"]),
    ("state not in (|", ["queued"]),
    ("not state = failed a|", ["and"]),
    ("state in (failed) a|", ["and"]),
    ("created > 2 days ago a|", ["and"]),
    ("created > y|", ["yesterday"]),
    ("duration > |", ["10 min"]),
    ("tag = |", ["vision"]),
    ("tags.team = r|", ["red"]),
    ("recipe = |", ["hvass-cnn", "none"]),
    ("worker = |", ["mill"]),
    ("user = a|", ["ada"]),
    ("optimizer = |", ["adam", '"two words"', '"true"', "none"]),
    ('optimizer = "two|', ['"two words"']),
    ("learning_rate = |", ["0.001", "0.01"]),
    ("shift = -|", ["-0.5", "-2", '"-x"']),
    ("shift = -0|", ["-0.5"]),
    ("shift in (-2, -0|", ["-0.5"]),
    ('shift = "-|', ['"-x"', "-0.5", "-2"]),
    ("flag = |", ["true", "none"]),
    ("val_loss < |", []),
]


def offered(text: str) -> list[str]:
    return [found.text for found in complete(text.replace("|", ""), text.index("|"), KNOWN)]


@pytest.mark.parametrize(("text", "first"), FIRST)
def test_what_may_come_next_is_offered(text: str, first: list[str]) -> None:
    wanted = ["`my loss`" if word == "my loss" else word for word in first]
    got = offered(text)
    assert sorted(got[: len(wanted)]) == sorted(wanted)
    assert first or "none" not in got


def test_a_suggestion_says_what_it_replaces() -> None:
    (suggestion,) = complete("tag = vision and -optim rest", 23, KNOWN)
    assert (suggestion.text, suggestion.start, suggestion.end, suggestion.help) == ("optimizer", 18, 23, "parameter")


def test_a_dash_in_front_of_a_value_belongs_to_it() -> None:
    suggestion, *_ = complete("-shift = -0", 11, KNOWN)
    assert (suggestion.text, suggestion.start, suggestion.end) == ("-0.5", 9, 11)


def test_many_names_are_cut() -> None:
    assert len(complete("m", 1, Known(metrics=[f"m{number}" for number in range(1000)]))) == MOST


_names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


@given(st.dictionaries(_names, st.lists(_names, max_size=2), min_size=1), st.data())
def test_each_suggestion_makes_a_filter(parameters: dict[str, list[str]], data: st.DataObject) -> None:
    known = Known(metrics=["val_loss"], parameters=parameters)
    name = data.draw(st.sampled_from([found.text for found in complete("", 0, known) if found.help == "parameter"]))
    begun = f"{name} in ("
    for value in complete(begun, len(begun), known):
        assert parse(f"{begun}{value.text})", NOW) is not None


@given(st.text(), st.integers(0, 30))
def test_no_text_is_too_odd_to_complete(text: str, cursor: int) -> None:
    """A filter that is being written is no mistake, and suggestions replace the word at the cursor."""
    cursor = min(cursor, len(text))
    suggestions = complete(text, cursor, KNOWN)
    assert len(suggestions) <= MOST
    assert all(found.start <= found.end == cursor and found.text for found in suggestions)
