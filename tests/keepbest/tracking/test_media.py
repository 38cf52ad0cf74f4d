"""Pictures that a script logs: they reach the tracker as panels of the run's segment and step."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from keepbest.errors import InvalidInput
from keepbest.tracking.init import init
from tests.support.processes import ROOT
from tests.support.tiny_tracker import TinyTracker, settings_of


def test_pictures_reach_the_tracker(tmp_path: Path, tracker: TinyTracker) -> None:
    import numpy as np

    with init(settings=settings_of(tmp_path, tracker.url), mode="max") as run:
        run.log({"loss": 1.0}, step=7)
        run.log_image("input", np.zeros((2, 3)), caption="a zero")
        run.log_image("photo", np.full((4, 4, 3), 9, np.uint8), step=8)
        run.log_histogram("weights", np.arange(5))
        run.log_histogram("layers", {"l1": [1.0], "l2": [2.0]})
        run.log_confusion("validation", [0, 1, 1], [0, 1, 0], ["cat", "dog"])
    made = {panel["name"]: panel for panel in tracker.said("panels")}
    assert {name: panel["data"]["kind"] for name, panel in made.items()} == {
        "input": "image",
        "photo": "image",
        "weights": "histograms",
        "layers": "histograms",
        "validation": "confusion",
    }
    assert (made["photo"]["step"], made["input"]["segment"]) == (8, 0)
    assert made["validation"]["data"]["counts"] == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("log_image", ("x", [1, 2, 3]), "An image is"),
        ("log_image", ("x", [[[1, 2]]]), "An image is"),
        ("log_confusion", ("x", [0], [0, 1], ["a", "b"]), "two lists of one length"),
        ("log_confusion", ("x", [2], [0], ["a", "b"]), "from 0 to 1"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, method: str, arguments: tuple[Any, ...], message: str) -> None:
    run = init(settings=settings_of(tmp_path, "http://127.0.0.1:9", mode="disabled"), mode="max")
    with pytest.raises(InvalidInput, match=message):
        getattr(run, method)(*arguments)


def test_a_run_without_pictures_loads_no_numpy() -> None:
    program = "import sys, keepbest; keepbest.Run; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_dir_shows_what_the_pages_and_the_examples_use(tmp_path: Path, tracker: TinyTracker) -> None:
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.py"), ROOT / "README.md"]
    files, events = {"py", "yaml", "html", "keepbest"}, {"artifact", "created", "moved"}
    named = {name for page in pages for name in re.findall(r"\brun\.([a-z]\w+)", page.read_text())} - files - events
    with init(settings=settings_of(tmp_path, tracker.url), mode="max") as run:
        shown = {name for name in dir(run) if not name.startswith("_")}
        assert named - shown == set()
        assert [name for name in sorted(shown) if not hasattr(run, name)] == []
