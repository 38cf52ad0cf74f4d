"""`sweep watch`: a line for each run that ends or pauses, and on a terminal a bar below, until the sweep ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from keepbest.cli.common.errors import Exit
from keepbest.cli.common.formatting import at_step, clean, number
from keepbest.cli.common.output import is_terminal, new_console, say, styled, warn
from keepbest.cli.sweeps.listing import count_runs, say_best, top_rung, write_value
from keepbest.client.client import Client
from keepbest.contract.sweeps import Sweep, SweepRun, SweepRuns, SweepState
from keepbest.errors import Busy, Unreachable
from keepbest.status import RunState, StopReason

_STATUS = {SweepState.FAILED: Exit.RUN_FAILED, SweepState.CANCELLED: Exit.RUN_CANCELLED}
#: What makes a sweep worth reading again.
_NEWS = {"run.created", "run.state", "sweep.state"}


def watch_sweep(client: Client, sweep: str, as_json: bool) -> int:
    """Say how each run ended, until the sweep ends; return the exit status that fits."""
    told: set[tuple[str, int | None]] = set()
    try:
        with _view(as_json) as view:
            for known in _follow(client, sweep):
                for run in known.runs:
                    place = (run.run, None if run.state.is_final else top_rung(run))
                    if (run.state.is_final or run.state is RunState.PAUSED) and place not in told:
                        told.add(place)
                        view.tell(known, run)
                view.show(known.sweep)
    except KeyboardInterrupt:
        warn(f"The sweep goes on. To see it again: keepbest sweep watch {sweep}")
        raise
    if as_json:
        print(known.sweep.model_dump_json(ensure_ascii=True), flush=True)
    else:
        _conclude(known.sweep)
    return _STATUS.get(known.sweep.state, Exit.OK)


class SweepView(Protocol):
    """One way to tell of a sweep."""

    def tell(self, known: SweepRuns, run: SweepRun) -> None: ...
    def show(self, sweep: Sweep) -> None: ...


def _view(as_json: bool) -> AbstractContextManager[SweepView]:
    if as_json:
        return _JsonSweepView()
    return _LiveSweepView() if is_terminal() else _PlainSweepView()


class _PlainSweepView:
    """A line each time a run ends or pauses."""

    def __enter__(self) -> SweepView:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def tell(self, known: SweepRuns, run: SweepRun) -> None:
        say(_line(known, run))

    def show(self, sweep: Sweep) -> None:
        pass


class _JsonSweepView(_PlainSweepView):
    """A line of JSON a run."""

    def tell(self, known: SweepRuns, run: SweepRun) -> None:
        print(run.model_dump_json(ensure_ascii=True), flush=True)


class _LiveSweepView:
    """A progress bar that stays at the bottom; each run goes by above it."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.console = new_console()
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=None))
        words = TextColumn("{task.fields[words]}", markup=False)
        self.bar = Progress(*columns, words, console=self.console, transient=True, expand=True)
        self.runs = self.bar.add_task("", total=None, words="")

    def __enter__(self) -> SweepView:
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.stop()

    def tell(self, known: SweepRuns, run: SweepRun) -> None:
        is_best = known.sweep.best is not None and known.sweep.best.run == run.run
        self.console.print(styled(_line(known, run), "bold green" if is_best else ""))

    def show(self, sweep: Sweep) -> None:
        ended = sweep.counts.finished + sweep.counts.failed + sweep.counts.cancelled
        best = f"best {number(sweep.best.value)}" if sweep.best else ""
        paused = f", {sweep.counts.paused} paused" if sweep.counts.paused else ""
        words = f"{ended} of {sweep.runs} ended, {sweep.counts.training} training{paused}  {best}"
        self.bar.update(self.runs, description=clean(sweep.name), total=sweep.runs, completed=ended, words=words)


def _follow(client: Client, sweep: str) -> Iterator[SweepRuns]:
    """Yield the sweep at once, whenever one of its project's runs moved, and last when it has ended."""
    start = client.events().next  # asked first: nothing falls between it and the sweep
    known = client.sweep(sweep)
    yield known
    if known.sweep.state is not SweepState.RUNNING:
        return
    for event in client.follow(after=start, project=known.sweep.project):
        if event is not None and event.kind not in _NEWS:
            continue
        with suppress(Unreachable, Busy):  # `follow` waits for the tracker, and gives up when it stays away
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
        say(f"best: {sweep.monitor} {say_best(sweep, 17)}")
        say(f"next: keepbest sweep show {sweep.id}")
