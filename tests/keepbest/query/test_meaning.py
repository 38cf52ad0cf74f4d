"""What filters mean, by the model that the store's answers are held against."""

from __future__ import annotations

import math

import pytest

from keepbest.query.known import Known
from keepbest.query.parser import parse
from keepbest.query.resolve import resolve
from tests.support.filters import NOW, FilteredRun, fits

RUN = FilteredRun(
    columns={"name": "Mnist CNN", "id": "7f3kabcd0123", "state": "finished", "created": NOW, "duration": 90.0},
    metrics={"val_loss": {"best": 0.1, "last": 0.2, "min": math.nan}},
    parameters={"rate": 0.001, "seed": "42", "optimizer": "adam", "flag": True, "layers": [1, 2]},
    tags=["vision", "team=red"],
)
KNOWN = Known(metrics=["val_loss"], parameters=dict.fromkeys([*RUN.parameters, "other"], ()))

TRUE = [
    "mnist",
    "rate=0.001",
    '"OPTIMIZER=ADAM"',
    "7f3k vision",
    "val_loss <= 0.1",
    "val_loss.last > 0.1",
    "val_loss.min = none",
    "not val_loss.min < 1",
    "val_loss.min != 0.5",
    "rate in (0.001, 5)",
    'seed = 42 and seed = "42" and seed > 41',
    "flag = true",
    "flag != 1",
    'layers = "[1, 2]"',
    "other != 3 and other = none and other not in (1, 2)",
    "optimizer in (none, adam) and other in (none, adam)",
    "optimizer ~ DA",
    "id = 7f3k and id !~ zz",
    "tag = vision and tags.team = red and tag != red and tags.team in (red, blue)",
    "tag ~ ED and tags.other = none",
    "worker = none",
    "created > 1 day ago and created = today",
    "duration >= 1.5 min",
]
FALSE = ["cnn2", "optimizer = Adam", "state != finished", "tag = none", "val_loss.min > 0", "other < 3", "other ~ a"]


def means(text: str) -> bool:
    term = parse(text, NOW)
    assert term is not None
    return fits(resolve(term, Known(KNOWN.metrics, KNOWN.parameters, is_cut=True), text), RUN)


@pytest.mark.parametrize("text", TRUE)
def test_a_filter_fits_the_run(text: str) -> None:
    assert means(text)


@pytest.mark.parametrize("text", FALSE)
def test_a_filter_fits_not(text: str) -> None:
    assert not means(text)
