"""The way of one validation from Keras' hook to the tracker's table is the list in the architecture page."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from keepbest.contract.batches import ReportedValidation
from keepbest.tracking.init import init
from tests.support.callbacks import Script, keep_best
from tests.support.live import Live
from tests.support.processes import ROOT, wait_until
from tests.support.tiny_tracker import settings_of

PAGE = ROOT / "docs/explanation/architecture.md"
HOUSES = ("keepbest", "tracker", "worker")
MAX_CALLS = 12


def read_list() -> list[str]:
    """Return the calls that the page lists, each as module and qualified name."""
    section = PAGE.read_text().split("## The way of one validation", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\d+\. `([\w.]+)`", section, re.MULTILINE)


def find_code(name: str) -> CodeType:
    """Return the code of a function or a method that is named by its module and its qualified name."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found.__wrapped__.__code__ if hasattr(found, "__wrapped__") else found.__code__  # type: ignore[no-any-return]
    raise LookupError(name)


@dataclass
class Watched:
    """The calls of the list that carried a validation, in order, and each module that stood between two of them."""

    names: dict[CodeType, str]
    calls: list[str] = field(default_factory=list)
    between: set[str] = field(default_factory=set)

    def note(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call: what `sys.setprofile` and `threading.setprofile` take."""
        name = self.names.get(frame.f_code) if event == "call" else None
        if name is None or not carries(name, frame.f_locals):
            return
        self.calls.append(name)
        modules, above = [frame.f_globals["__name__"]], frame.f_back
        while above is not None and above.f_code not in self.names:
            modules.append(above.f_globals.get("__name__", ""))
            above = above.f_back
        if above is not None:  # else it is the first of its thread
            ends = {modules[0], above.f_globals["__name__"]}
            self.between |= {one for one in modules if one.startswith(HOUSES) and one not in ends}


def carries(name: str, given: dict[str, Any]) -> bool:
    """Whether a call is about a validation; the uploader and the table hear of other things too."""
    if name.endswith("Uploader.put"):
        return isinstance(given["item"], ReportedValidation)
    return not name.endswith("add_validations") or bool(given["taken"])


@contextmanager
def watched(names: list[str]) -> Iterator[Watched]:
    """Watch the calls of these functions in all threads that begin in the block, and in this one."""
    seen, before = Watched({find_code(name): name for name in names}), sys.getprofile()
    threading.setprofile(seen.note)
    sys.setprofile(seen.note)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def is_in_order(wanted: list[str], calls: list[str]) -> bool:
    """Whether the calls hold those wanted, one after another."""
    rest = iter(calls)
    return all(any(call == one for call in rest) for one in wanted)


def test_the_way_of_a_validation_is_the_one_that_is_written(live: Live, tmp_path: Path) -> None:
    names = read_list()
    assert 0 < len(names) <= MAX_CALLS
    with watched(names) as seen:
        run = init(monitor="val_loss", mode="min", settings=settings_of(tmp_path, live.url, "online", live.admin))
        callback = keep_best(tmp_path / "store", run=run)
        Script().fit(callback, [0.5])
        wait_until(lambda: seen.calls[-1:] == names[-1:], what="the row in the tracker's table")
    run.finish()
    own = [name for name in names if name.startswith("keepbest.")][:-2]  # the last two are the uploader's thread
    assert [call for call in seen.calls if call in own] == own
    assert is_in_order(names, seen.calls), seen.calls
    assert not seen.between, f"{seen.between} hand a validation on, and the page does not list them"


@pytest.mark.parametrize(("calls", "held"), [("abc", True), ("axbxc", True), ("acb", False), ("ab", False)])
def test_calls_are_in_order_or_not(calls: str, held: bool) -> None:
    assert is_in_order(list("abc"), list(calls)) is held
