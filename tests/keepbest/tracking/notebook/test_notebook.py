"""A run in a notebook: its card follows it, and a cell that breaks off says how the run ends. IPython is played."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepbest.status import RunState
from keepbest.tracking import current_run
from keepbest.tracking.former_runs import end_former
from keepbest.tracking.init import init
from keepbest.tracking.notebook.card import CardFacts, draw_card
from keepbest.tracking.notebook.live_card import LiveCard
from keepbest.tracking.run import Run
from tests.support.processes import wait_until
from tests.support.tiny_tracker import TinyTracker, settings_of

FACTS = CardFacts(id="7m4y22t8ja2b", name="first", project="digits", state="running", monitor="val_loss", step=3)


class Notebook:
    """A kernel's shell and its display, as far as keepbest uses them."""

    def __init__(self) -> None:
        self.calls: dict[str, Callable[..., Any]] = {}
        self.shown: list[str] = []
        self.kernel = self.events = self
        self.fails = False

    def register(self, event: str, call: Callable[..., Any]) -> None:
        self.calls[event] = call

    def display(self, thing: Any, display_id: bool = False) -> Notebook:
        self.update(thing)
        return self

    def update(self, thing: Any) -> None:
        if self.fails:
            raise OSError("the browser is gone")
        self.shown.append(thing._repr_html_())

    def run_cell(self, cell: Callable[[], Any]) -> None:
        self.calls["pre_run_cell"]()
        error: BaseException | None = None
        try:
            cell()
        except BaseException as raised:
            error = raised
        self.calls["post_run_cell"](SimpleNamespace(error_in_exec=error))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    current_run.forget_all()
    notebook = Notebook()
    display = SimpleNamespace(display=notebook.display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: notebook, display=display))
    return notebook


def begin(folder: Path, tracker: TinyTracker, **more: Any) -> Run:
    return init(settings=settings_of(folder, tracker.url), monitor="val_accuracy", mode="max", **more)


def interrupt(run: Run) -> Callable[[], None]:
    def cell() -> None:
        run.log({"loss": 1.0})
        raise KeyboardInterrupt

    return cell


def fail(run: Run) -> Callable[[], None]:
    def cell() -> None:
        run.log({"loss": 1.0})
        raise ValueError("boom")

    return cell


def test_the_card_follows_the_run(
    tmp_path: Path, tracker: TinyTracker, notebook: Notebook, capsys: pytest.CaptureFixture[str]
) -> None:
    with begin(tmp_path, tracker, name="first") as run:
        run.report_validation(5, 0.25, n=10)
        wait_until(lambda: "0.25 at step 5" in notebook.shown[-1], what="the card to follow")
    assert run.card.is_shown
    assert "running" in notebook.shown[0]
    assert "finished" in notebook.shown[-1]
    assert f'<a href="{run.url}"' in notebook.shown[-1]
    assert "is at" not in capsys.readouterr().err


def test_a_card_that_cannot_be_shown_stops_nothing(tmp_path: Path, tracker: TinyTracker, notebook: Notebook) -> None:
    with begin(tmp_path, tracker) as run:
        notebook.fails = True
        run.log({"loss": 1.0}, step=1)
        wait_until(lambda: not run.card.is_shown, what="the card to be given up")
    notebook.fails = True
    with begin(tmp_path, tracker) as run:
        assert not run.card.is_shown


def test_a_card_changes_once_a_second(notebook: Notebook) -> None:
    now, facts = 0.0, FACTS
    card = LiveCard(SimpleNamespace(_repr_html_=lambda: facts.state), lambda: facts, clock=lambda: now)
    card.show()
    for now, state in ((0.5, "a"), (0.9, "b"), (1.6, "c"), (9.0, "c")):  # noqa: B007
        facts = CardFacts("i", "n", "p", state, "m", 1)
        card.follow()
    facts = CardFacts("i", "n", "p", "d", "m", 1)
    card.follow(at_once=True)
    assert notebook.shown == ["running", "a", "c", "d"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("name", "<script>alert(1)</script>"),
        ("project", '"><img src=x>'),
        ("message", "x" * 9999),
        ("monitor", "<i>loss</i>"),
    ],
)
def test_a_hostile_card_is_escaped(field: str, text: str) -> None:
    drawn = draw_card(CardFacts(**{**{name: getattr(FACTS, name) for name in FACTS.__slots__}, field: text}))
    assert text not in drawn
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert len(drawn) < 2000


def test_only_an_address_of_the_web_is_a_link() -> None:
    facts = {name: getattr(FACTS, name) for name in FACTS.__slots__}
    assert "<a " not in draw_card(CardFacts(**{**facts, "url": "javascript:alert(1)"}))
    assert 'href="https://x/&quot;"' in draw_card(CardFacts(**{**facts, "url": 'https://x/"'}))


@pytest.mark.parametrize(("cell", "outcome"), [(interrupt, RunState.CANCELLED.value), (fail, RunState.FAILED.value)])
def test_a_broken_cell_ends_a_run_that_does_not_go_on(
    tmp_path: Path, tracker: TinyTracker, notebook: Notebook, cell: Any, outcome: str
) -> None:
    run = begin(tmp_path, tracker)
    notebook.run_cell(cell(run))
    assert tracker.releases == []  # it may go on in the next cell
    end_former()  # as at the kernel's end, and at the next init
    assert [release["outcome"] for release in tracker.releases] == [outcome]


def test_a_run_that_goes_on_after_a_broken_cell_finishes(
    tmp_path: Path, tracker: TinyTracker, notebook: Notebook
) -> None:
    run = begin(tmp_path, tracker)
    notebook.run_cell(interrupt(run))
    notebook.run_cell(lambda: 1 / 0)  # another cell's error is none of the run's
    assert isinstance(run.find_cause(), KeyboardInterrupt)
    notebook.run_cell(lambda: run.log({"loss": 0.5}))
    assert run.find_cause() is None
    end_former()
    assert [release["outcome"] for release in tracker.releases] == ["finished"]
