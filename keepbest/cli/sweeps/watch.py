"""`sweep watch`: prints a line for each run that ends or pauses, and on a terminal a bar below, to the sweep's end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import at_step, clean, number
from keepbest.cli.common.output import is_terminal, progress_bars, say, styled, warn
from keepbest.cli.sweeps.listing import count_runs, say_best, top_rung, write_value
from keepbest.client.client import Client
from keepbest.contract.sweeps import Sweep, SweepRun, SweepRuns, SweepState
from keepbest.errors import Busy, Unreachable
from keepbest.status import RunState, StopReason

if TYPE_CHECKING:
    from rich.progress import Progress

_STATUS = {SweepState.FAILED: Exit.RUN_FAILED, SweepState.CANCELLED: Exit.RUN_CANCELLED}
#: The kinds of events after which the sweep has changed.
_NEWS = {"run.created", "run.state", "sweep.state"}


def watch_sweep(client: Client, sweep: str, as_json: bool) -> int:
    """Say how each run ends, until the sweep ends; return the exit status that fits."""
    shown: set[tuple[str, int | None]] = set()
    try:
        with _open_view(as_json) as view:
            for known in _follow(client, sweep):
                for run in known.runs:
                    place = (run.run, None if run.state.is_final else top_rung(run))
                    if (run.state.is_final or run.state is RunState.PAUSED) and place not in shown:
                        shown.add(place)
                        view.show_run(known, run)
                view.show_counts(known.sweep)
    except KeyboardInterrupt:
        warn(f"The sweep goes on. To see it again: keepbest sweep watch {sweep}")
        raise
    if as_json:
        print(known.sweep.model_dump_json(ensure_ascii=True), flush=True)
    else:
        _conclude(known.sweep)
    return _STATUS.get(known.sweep.state, Exit.OK)


class SweepView(Protocol):
    """One way to show a sweep: each run that ends or pauses, and the counts."""

    def show_run(self, known: SweepRuns, run: SweepRun) -> None: ...
    def show_counts(self, sweep: Sweep) -> None: ...


@contextmanager
def _open_view(as_json: bool) -> Iterator[SweepView]:
    if is_terminal() and not as_json:
        with progress_bars() as bars:
            yield _LiveSweepView(bars)
    else:
        yield _LineView(as_json)


class _LineView:
    """Prints a line for each run, of text or of JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def show_run(self, known: SweepRuns, run: SweepRun) -> None:
        if self.as_json:
            print(run.model_dump_json(ensure_ascii=True), flush=True)
        else:
            say(_line(known, run))

    def show_counts(self, sweep: Sweep) -> None:
        pass  # the last line has them


class _LiveSweepView:
    """Prints each run above a progress bar of the sweep."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars
        self.runs = bars.add_task("", total=None, words="")

    def show_run(self, known: SweepRuns, run: SweepRun) -> None:
        is_best = known.sweep.best is not None and known.sweep.best.run == run.run
        self.bars.console.print(styled(_line(known, run), "bold green" if is_best else ""))

    def show_counts(self, sweep: Sweep) -> None:
        ended = sweep.counts.finished + sweep.counts.failed + sweep.counts.cancelled
        best = f"best {number(sweep.best.value)}" if sweep.best else ""
        paused = f", {sweep.counts.paused} paused" if sweep.counts.paused else ""
        words = f"{ended} of {sweep.runs} ended, {sweep.counts.training} training{paused}  {best}"
        self.bars.update(self.runs, description=clean(sweep.name), total=sweep.runs, completed=ended, words=words)


def _follow(client: Client, sweep: str) -> Iterator[SweepRuns]:
    """Yield the sweep at once, after each change of a run of its project, and last when it has ended."""
    start = client.events().next  # asked first, so that no event between the two requests is lost
    known = client.sweep(sweep)
    yield known
    if known.sweep.state is not SweepState.RUNNING:
        return
    for event in client.follow(after=start, project=known.sweep.project):
        if event is not None and event.kind not in _NEWS:
            continue
        with suppress(Unreachable, Busy):  # `follow` waits for the tracker, and raises if it stays away
            known = client.sweep(sweep)
            yield known
            if known.sweep.state is not SweepState.RUNNING:
                return


def _line(known: SweepRuns, run: SweepRun) -> str:
    chosen = "  ".join(f"{name}={write_value(value)}" for name, value in run.parameters.items())
    best = "  * best" if known.sweep.best is not None and known.sweep.best.run == run.run else ""
    place, value = f"{run.number:>4}/{known.sweep.runs}", at_step(run.value, run.value_step)
    at_rung = f" at rung {top_rung(run)}" if run.stop_reason is StopReason.SUCCESSIVE_HALVING else ""
    return f"{place}  {run.run}  {run.state.value}{at_rung}  {value}  {clean(chosen)}{best}"


def _conclude(sweep: Sweep) -> None:
    say(f"Sweep {sweep.id} {sweep.state.value}: {count_runs(sweep)}.")
    if sweep.message:
        say(sweep.message)
    if sweep.best is not None:
        say(f"best: {sweep.monitor} {say_best(sweep)}")
        say(f"next: keepbest sweep show {sweep.id}")
