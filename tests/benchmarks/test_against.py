"""What `make bench-against` reads of the heart's benchmark, and what it says of two revisions."""

from __future__ import annotations

import pytest

from tests.benchmarks import against
from tests.benchmarks.heart import show


def test_the_figures_are_those_that_the_benchmark_prints(capsys: pytest.CaptureFixture[str]) -> None:
    show("training blocked by a new best", 0.894, "<= 1 ms", {"Keras' own": 444.0, "Orbax": "is not installed"})
    show("the next step is longer by", -3.5, "<= a memcpy, 26 ms", {})
    printed = capsys.readouterr().out
    assert dict(against._FIGURE.findall(printed)) == {
        "training blocked by a new best": "0.89",
        "the next step is longer by": "-3.50",
    }


def test_medians_are_compared_and_what_is_slower_is_marked() -> None:
    then = [{"restore": 90.0, "blocked": 1.0, "longer": -1.0}, {"restore": 92.0, "blocked": 1.2, "longer": 4.0}]
    now = [
        {"restore": 182.0, "blocked": 1.1, "longer": 2.0, "new": 1.0},
        {"restore": 91.0, "blocked": 1.1, "longer": 1},
    ]
    title, restore, blocked, longer = against.compare("7a20c1f", then, now)
    assert "7a20c1f" in title
    assert " ".join(restore.split()) == "restore 91.00 (90.00 to 92.00) 136.50 (91.00 to 182.00) 1.50 SLOWER"
    assert blocked.split()[-1] == "1.00"
    assert longer.split()[-1] == "-"
