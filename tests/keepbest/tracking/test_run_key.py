"""Which run a script means: by its id, by a key, and whether it may go on."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from keepbest.contract.base import ID_PATTERN
from keepbest.errors import Conflict, InvalidInput, NotFound
from keepbest.tracking.init import init
from keepbest.tracking.run import Run
from keepbest.tracking.run_key import MeantRun, find_meant, find_resume, id_of
from tests.support.live import Live
from tests.support.tiny_tracker import settings_of

HOSTILE = ["../../etc/passwd", "a\0b", "\ud800", "\u202egnp", "x" * 100_000, "🚀", "'; drop table runs", "-rf", " "]


def begin(live: Live, machine: Path, how: str = "online", **more: Any) -> Run:
    return init(settings=settings_of(machine, live.url, how, live.admin), mode="max", **more)


def read_log(live: Live, run: Run) -> str:
    return "".join(piece.text for piece in live.client().logs(run.id).pieces)


def test_a_text_that_is_no_id_is_a_key() -> None:
    assert find_meant("p", "7m4y22t8ja2b", None) == MeantRun("7m4y22t8ja2b")
    assert (
        find_meant("p", "exp-17", None) == find_meant("p", None, "exp-17") == MeantRun(id_of("p", "exp-17"), "exp-17")
    )
    assert find_meant("p", None, None) == find_meant("p", "", None) == find_meant("p", object(), None) == MeantRun(None)
    assert find_meant("p", 17, None) == find_meant("p", None, "17")
    assert len({id_of(project, key) for project in "pq" for key in ("a", "b")}) == 4
    assert id_of("digits", "exp-17") == "y9vxtgcjhrpr"  # for ever: runs are found by it
    with pytest.raises(InvalidInput, match="by its id or by a key, not by both"):
        find_meant("p", "a", "b")


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_names_a_run(key: str) -> None:
    meant = find_meant("p", None, key)
    assert re.match(ID_PATTERN, meant.id or "")
    assert len(meant.labels["key"]) <= 200
    assert meant.labels["key"].encode()


@pytest.mark.parametrize(
    ("word", "named", "how"),
    [
        (None, False, "allow"), (True, True, "allow"), ("auto", True, "allow"), (True, False, "allow"),
        (False, True, "never"), ("never", True, "never"), ("must", True, "must"),
    ],
)  # fmt: skip
def test_each_word_of_resume_has_one_meaning(
    word: Any, named: bool, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert find_resume(word, "allow", is_named=named) == how
    assert bool(caplog.records) == (word is True and not named)


@pytest.mark.parametrize(("word", "field"), [("must", "id"), ("always", "resume"), (3, "resume")])
def test_another_word_is_refused(word: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        find_resume(word, "allow", is_named=False)
    assert raised.value.field == field


def test_a_key_goes_on_on_another_machine(live: Live, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with begin(live, tmp_path / "one", key="exp-17", config={"rate": 0.1, "units": 8}) as first:
        first.log({"loss": 1.0}, step=1)
        first.summary["words"] = "kept"
    with begin(live, tmp_path / "two", id="exp-17", resume="must", config={"rate": 0.2}) as second:
        assert (second.id, dict(second.config)) == (first.id, {"rate": 0.2, "units": 8})
        second.log({"loss": 0.5}, step=2)
        assert second.summary["words"] == "kept"
    with begin(live, tmp_path / "three", key="exp-17", project="other") as other:
        assert other.id != first.id
    words = "configuration differs from last time: rate 0.1 → 0.2"
    assert [record.getMessage() for record in caplog.records if "differs" in record.getMessage()] == [
        f"keepbest: {words}"
    ]
    assert read_log(live, second) == f"keepbest: {words}\n"
    known = live.client().run(first.id)
    assert (known.spec.parameters, known.spec.labels) == ({"rate": 0.2, "units": 8}, {"key": "exp-17"})
    assert live.client().curve(first.id, "loss").total == 2
    assert (known.environment or {})["summary"] == {"words": "kept"}
    with pytest.raises(Conflict, match="exists already"):
        begin(live, tmp_path, key="exp-17", resume=False)
    with pytest.raises(NotFound):
        begin(live, tmp_path, key="exp-18", resume="must")


def test_a_key_goes_on_offline(live: Live, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for rate in (0.1, 0.1, 0.2, 0.2, 0.1):
        with begin(live, tmp_path, "offline", key="exp-17", config={"rate": rate}) as run:
            run.log({"loss": rate})
            run.summary[str(len(run.summary))] = rate
            assert len(run.summary) >= 2
    assert set(run.summary) == {"loss", "1", "2", "3", "4", "5"}
    differs = [record.getMessage() for record in caplog.records if "differs" in record.getMessage()]
    assert [text.rpartition(": ")[2] for text in differs] == ["rate 0.1 → 0.2", "rate 0.2 → 0.1"]
    assert [record.levelno for record in caplog.records if "differs" in record.getMessage()] == [logging.WARNING] * 2
