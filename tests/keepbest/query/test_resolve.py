"""Bare names become metrics or parameters, by the names that there are."""

from __future__ import annotations

import pytest

from keepbest.errors import InvalidInput
from keepbest.query.known import Known
from keepbest.query.parser import parse
from keepbest.query.resolve import resolve
from keepbest.query.terms import Condition, Field, walk
from tests.support.filters import NOW

KNOWN = Known(metrics=["val_loss", "rate", "loss.min"], parameters={"learning_rate": [], "rate": [], "model.last": []})

RESOLVED = [
    ("val_loss < 1", Field("metric", "val_loss")),
    ("val_loss.max < 1", Field("metric", "val_loss", "max")),
    ("rate < 1", Field("metric", "rate")),
    ("params.rate < 1", Field("parameter", "rate")),
    ("learning_rate = 1", Field("parameter", "learning_rate")),
    ("model.last = 1", Field("parameter", "model.last")),
    ("loss.min < 1", Field("metric", "loss.min")),
    ("metrics.loss.min < 1", Field("metric", "loss.min")),
    ("`loss.min`.last < 1", Field("metric", "loss.min", "last")),
    ("state = failed", Field("column", "state")),
    ("tags.x = 1", Field("tag", "x")),
]

REFUSED = [
    ("a and val_los < 1", 7, "No run has a metric, parameter or column 'val_los'", "Did you mean 'val_loss'?"),
    ("stat = failed", 1, "No run has a metric, parameter or column 'stat'", "Did you mean 'state'?"),
    ("not params.val_loss < 1", 5, "No run has a parameter 'val_loss'", "Known: learning_rate, rate, model.last."),
    ("metrics.learning_rate < 1", 1, "No run has a metric 'learning_rate'", "Known: val_loss, rate, loss.min."),
    ("a or val_loss = adam", 6, "The metric 'val_loss' is compared with a number", "params.val_loss"),
    ("val_loss in (1, true)", 1, "The metric 'val_loss' is compared with a number", "params.val_loss"),
    ("val_loss ~ 1", 1, "The metric 'val_loss' holds no text", ""),
]


def resolve_text(text: str, known: Known) -> list[Field]:
    term = parse(text, NOW)
    assert term is not None
    return [leaf.field for leaf in walk(resolve(term, known, text)) if isinstance(leaf, Condition)]


@pytest.mark.parametrize(("text", "field"), RESOLVED)
def test_a_name_is_what_runs_have(text: str, field: Field) -> None:
    assert resolve_text(f"a or not ({text} b)", KNOWN) == [field]


@pytest.mark.parametrize(("text", "column", "message", "hint"), REFUSED)
def test_an_unknown_name_is_refused(text: str, column: int, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=f"column {column} of the filter") as error:
        resolve_text(text, KNOWN)
    assert message in error.value.message
    assert hint in (error.value.hint or "")


def test_no_hint_names_all_of_many() -> None:
    with pytest.raises(InvalidInput) as error:
        resolve_text("zzz < 1", Known(metrics=[f"metric_{number:03}" for number in range(1000)]))
    assert error.value.hint is not None
    assert len(error.value.hint) < 500


@pytest.mark.parametrize("known", [Known(), Known(metrics=["other"], is_cut=True)])
def test_what_nobody_knows_is_a_metric(known: Known) -> None:
    assert resolve_text("val_loss < 1", known) == [Field("metric", "val_loss")]
